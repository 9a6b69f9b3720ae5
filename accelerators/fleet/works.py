"""What operators did and mean to do: evacuations that have ended, maintenance windows past and to come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from accelerators.fleet.draw import Draw
from accelerators.fleet.guests import Guest
from accelerators.fleet.machines import Site
from accelerators.states import State
from pods.models import Host, MaintenanceWindow, Move, MoveRun
from pods.states import HostDuty, MoveRunState, MoveState, WindowState

OPERATOR = "operator"
# Of the hosts, those with a window, and those that were emptied once.
WITH_WINDOW, EMPTIED = 0.02, 0.02


def windows(draw: Draw, site: Site) -> Iterator[MaintenanceWindow]:
    """One to come for the first host of each pod, and some past ones."""
    for number, machine in enumerate(site.holding):
        if number and not draw.happens(WITH_WINDOW):
            continue
        starts = draw.now + timedelta(days=3) if number == 0 else draw.ago(timedelta(days=90), timedelta(days=1))
        ends = starts + timedelta(hours=2)
        created = min(starts - timedelta(days=7), draw.now)
        yield MaintenanceWindow(
            id=draw.id_at(created), host=machine.host, pod=site.pod, starts_at=starts, ends_at=ends, duty=HostDuty.DRAINING,
            reason="New power supply.", state=WindowState.CLOSED if ends < draw.now else WindowState.PLANNED, actor=OPERATOR,
            created_at=created, finished_at=ends if ends < draw.now else None,
        )  # fmt: skip


def evacuations(draw: Draw, site: Site, guests: list[Guest]) -> Iterator[tuple[MoveRun, Move]]:
    """Ended ones, each of one guest that came to where it is now."""
    settled = [guest for guest in guests if guest.row.state in (State.RUNNING, State.STOPPED) and guest.machine is not None]
    for guest in draw.chance.sample(settled, min(len(settled), max(1, round(len(site.holding) * EMPTIED)))):
        assert guest.machine is not None
        source = draw.one(site.holding)
        if source is not guest.machine:
            yield _ended(draw, site, guest, source.host)


def _ended(draw: Draw, site: Site, guest: Guest, source: Host) -> tuple[MoveRun, Move]:
    assert guest.machine is not None
    row, began = guest.row, draw.ago(timedelta(days=60), timedelta(hours=2))
    ended = began + timedelta(minutes=4)
    run = MoveRun(
        id=draw.id_at(began), purpose=MoveRun.Purpose.EVACUATION, pod=site.pod, host=source, state=MoveRunState.FINISHED,
        reason="lease ends", actor=OPERATOR, estimated_s=240.0, created_at=began, finished_at=ended,
    )  # fmt: skip
    move = Move(
        id=draw.id_at(began), run=run, position=1, holder_id=row.pk, holder_name=row.name, account_id=row.account_id,
        source=source, target=guest.machine.host, cpu_m=row.cpu_m, memory_mib=row.memory_mib, disk_gib=row.disk_gib,
        state=MoveState.MOVED, started_at=began, finished_at=ended,
    )  # fmt: skip
    return run, move
