"""A cold move on the pod in a box: stop, move to the other machine, start; and an evacuation that says who stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelerators.models import Accelerator
from accelerators.services.power import start, stop
from accelerators.states import State
from accounts.actor import system
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.models import Host, Move
from pods.services.advance_moves import advance_moves
from pods.services.evacuate import evacuate
from pods.services.gear import hypervisor_of
from pods.services.move_runs import counts_of
from tests.caller import Door, answers, new_key
from tests.real_pod import RealPod

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_stopped_guest_moves_with_all_it_has(real_pod: RealPod, tmp_path: Path) -> None:
    """The evacuation names the one that runs, and moves the other: its file is there, it answers where it did."""
    h1, h2 = Host.objects.select_related("pod").order_by("name")
    private, public = new_key(tmp_path)
    Host.objects.filter(pk=h2.pk).update(duty="maintenance")
    created = real_pod.ask("web", count=2, ssh_keys=(public,))
    drain()
    Host.objects.filter(pk=h2.pk).update(duty="active")
    staying, moving = (Accelerator.objects.get(pk=row.pk) for row in created.accelerators)
    assert staying.host_id == moving.host_id == h1.pk
    before = hypervisor_of(h1).observe(str(moving.pk))
    assert before is not None
    door = Door(before.addresses[0], private)
    door.await_open()
    assert door.attempt("echo dear all >/root/letter; mknod /root/pipe p; sync").returncode == 0
    stop(actor=real_pod.actor, accelerator_id=moving.pk)
    drain()

    run = evacuate(actor=system(), host=h1)
    stuck = Move.objects.get(run=run, state="stuck")
    assert (stuck.holder_id, "stop it first" in stuck.reason) == (staying.pk, True)
    assert advance_moves() == 1
    drain()
    advance_moves()
    run.refresh_from_db()
    assert (run.state, counts_of(run)["moved"]) == ("finished", 1), list(Operation.objects.values("operator_detail"))

    moving.refresh_from_db()
    assert (moving.state, moving.host_id) == (State.STOPPED, h2.pk)
    assert hypervisor_of(h1).observe(str(moving.pk)) is None
    assert str(moving.pk) not in hypervisor_of(h1).inventory().by_id()
    start(actor=real_pod.actor, accelerator_id=moving.pk)
    drain()
    after = hypervisor_of(h2).observe(str(moving.pk))
    assert after is not None
    assert (after.power.value, after.addresses, after.limits, after.guarded) == (
        "running", before.addresses, before.limits, True,
    )  # fmt: skip
    # At once, though this machine and the bridges knew it on the other host a moment ago.
    assert answers(before.addresses[0])
    seen = door.attempt("cat /root/letter; [ -p /root/pipe ] && hostname")
    assert seen.stdout.split() == ["dear", "all", moving.name]
    assert real_pod.disagreements() == []
    stop(actor=real_pod.actor, accelerator_id=staying.pk)
    drain()
    again = evacuate(actor=system(), host=h1)
    advance_moves()
    drain()
    advance_moves()
    again.refresh_from_db()
    assert (again.state, counts_of(again)["moved"]) == ("finished", 1)
    assert hypervisor_of(h1).inventory().guests == ()
    assert real_pod.disagreements() == []
