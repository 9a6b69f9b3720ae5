"""What pages say about preemptible plans and accelerators."""

from __future__ import annotations

import pytest
from django.test import Client

from accelerators.models import Accelerator, Plan
from accelerators.testing.lending import PLACES, let_notice_pass, make_lending_world, running_spot
from accelerators.testing.world import World
from accounts.models import User
from mcp.testing.drain import drain
from mcp.testing.web import HTMX, text_of
from pods.models import Host

NEW = "/accelerators/new/"
SENTENCE = (
    "Preemptible plans cost less because they use what is idle: when another customer's plan needs the room, or the hours in "
    "which it is lent end, the accelerator is stopped 2 minutes after notice; its disk and address stay."
)


@pytest.fixture
def lending(db: None) -> World:
    return make_lending_world()


@pytest.fixture
def customer(lending: World, client: Client) -> Client:
    client.force_login(User.objects.get(pk=lending.user.pk))
    return client


def test_the_form_says_which_plans_are_preemptible_and_what_that_means(customer: Client) -> None:
    words = text_of(customer.get(NEW))
    assert SENTENCE in words.replace("&#x27;", "'")
    assert "preemptible" in words
    Plan.objects.filter(preemptible=True).update(active=False)
    assert "reemptible" not in text_of(customer.get(NEW))


def test_the_price_says_it_again(customer: Client) -> None:
    asked = {"plan": "spot-256m", "image": "busybox", "count": "1"}
    words = text_of(customer.post(f"{NEW}price/", asked, headers=HTMX))
    assert "$8.00 a month" in words
    assert "is stopped 2 minutes after notice" in words
    assert "starts again by itself" not in words
    Plan.objects.filter(slug="spot-256m").update(comes_back=True)
    assert "It starts again by itself when there is room." in text_of(customer.post(f"{NEW}price/", asked, headers=HTMX))


def test_the_price_of_a_firm_one_says_that_it_waits(lending: World, customer: Client) -> None:
    asked = {"plan": "zone-256m", "image": "busybox", "count": "1"}
    assert "leave first" not in text_of(customer.post(f"{NEW}price/", asked, headers=HTMX))
    for number in range(PLACES):
        running_spot(lending, f"spot-{number}")
    words = text_of(customer.post(f"{NEW}price/", asked, headers=HTMX))
    assert "There is room for it. Preemptible accelerators leave first: it starts within 2 minutes or a little more." in words
    assert Accelerator.objects.count() == PLACES


def test_its_page_says_when_and_why_it_is_stopped(lending: World, customer: Client) -> None:
    row = running_spot(lending, "spot")
    page = f"/accelerators/{row.pk}/"
    assert "preemptible" in text_of(customer.get(page))
    assert "preemptible" in text_of(customer.get("/"))
    for number in range(PLACES):
        lending.create(f"firm-{number}")
    drain(skip_pauses=False)
    row.refresh_from_db()
    assert row.preempt_at is not None
    words = text_of(customer.get(page))
    assert f"Will be stopped at {row.preempt_at:%H:%M:%S} UTC, because a firm plan needs its room." in words
    assert 'id="do-restart"' not in customer.get(page).content.decode()
    assert 'id="do-stop"' in customer.get(page).content.decode()
    let_notice_pass()
    drain()
    words = text_of(customer.get(page))
    assert "because a firm plan needs its room. Start it when there is room again." in words
    answer = customer.post(f"{page}act/start/", follow=True)
    assert "no idle memory for it now" in text_of(answer)


def test_an_operator_edits_the_schedule_in_the_console(lending: World, client: Client) -> None:
    """And what the host counts meanwhile is not written over."""
    client.force_login(User.objects.create_user("operator", is_staff=True))
    host = Host.objects.get()
    url = f"/admin/pods/host/{host.pk}/change/"
    assert "Idle room lent" in text_of(client.get(url))
    running_spot(lending, "spot")
    client.post(url, {"spot": "windows", "spot_windows": '["mon-fri 19:00-07:00"]'})
    host.refresh_from_db()
    assert (host.spot, host.spot_windows, host.spot_memory_mib) == ("windows", ["mon-fri 19:00-07:00"], 256)
    for bad in ("[]", '["at night"]', "nonsense"):
        answer = client.post(url, {"spot": "windows", "spot_windows": bad}, follow=True)
        assert "window" in text_of(answer) or "JSON" in text_of(answer)
        host.refresh_from_db()
        assert host.spot_windows == ["mon-fri 19:00-07:00"]
