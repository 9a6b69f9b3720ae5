"""An accelerator's page tells of maintenance, without naming a host."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from accelerators.testing.world import World
from accounts.actor import system
from mcp.testing.web import text_of
from pods.models import Host, MaintenanceWindow
from pods.services.windows import cancel_window, plan_window


def test_the_page_shows_windows_until_they_are_over(world: World, owner: Client) -> None:
    row = world.running("web")
    assert row.host is not None
    assert row.host_id is not None
    elsewhere = Host.objects.exclude(pk=row.host_id).get(pod=world.pod)
    page, soon = f"/accelerators/{row.pk}/", timezone.now() + timedelta(hours=1)
    for place, reason in ((row.host, "New fans."), (elsewhere, "Not yours.")):
        plan_window(actor=system(), place=place, starts_at=soon, ends_at=soon + timedelta(hours=1), reason=reason)
    text = text_of(owner.get(page))
    assert "Maintenance of the machine that it is on is planned from" in text
    assert "New fans." in text
    assert "Not yours." not in text
    assert f">{row.host.name}<" not in owner.get(page).content.decode()
    window = MaintenanceWindow.objects.get(reason="New fans.")
    MaintenanceWindow.objects.filter(pk=window.pk).update(state="open")
    assert "is under way" in text_of(owner.get(page))
    cancel_window(actor=system(), window=window)
    assert "is under way" not in text_of(owner.get(page))
    assert "was cancelled" in text_of(owner.get(page))
