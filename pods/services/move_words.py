"""How runs of moves and maintenance windows are shown: the same values in the API, on the command line and in the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from pods.models import MaintenanceWindow, Move, MoveRun
from pods.states import MoveState


def runs() -> QuerySet[MoveRun]:
    """All runs, with what is shown of them in lists but the counts."""
    return MoveRun.objects.select_related("pod", "host")


def counts_for(rows: Iterable[MoveRun]) -> dict[UUID, dict[str, int]]:
    """How many moves each of the runs has in each state; one query."""
    ids = [row.pk for row in rows]
    found = {pk: dict.fromkeys(map(str, MoveState.values), 0) for pk in ids}
    counted = Move.objects.filter(run__in=ids).order_by().values_list("run_id", "state").annotate(n=Count("id"))
    for run_id, state, number in counted:
        found[run_id][state] = number
    return found


def present_runs(rows: Sequence[MoveRun]) -> list[dict[str, Any]]:
    """Without their moves; rows of `runs()`."""
    counts = counts_for(rows)
    return [_run(row, counts[row.pk]) for row in rows]


def present_run(row: MoveRun) -> dict[str, Any]:
    """With each guest of it, in order; a row of `runs()`. Two queries."""
    return {**_run(row, counts_for([row])[row.pk]), "moves": [present_move(move) for move in moves_of(row)]}


def _run(row: MoveRun, counts: Mapping[str, int]) -> dict[str, Any]:
    host = row.host.name if row.host else None
    return {
        "id": row.pk, "purpose": row.purpose, "state": row.state, "pod": row.pod.slug, "host": host, "parallel": row.parallel,
        "minimum_gain": row.minimum_gain, "reason": row.reason, "actor": row.actor, "estimated_s": round(row.estimated_s, 1),
        "counts": dict(counts), "sentence": sentence_of(row, counts), "created_at": row.created_at,
        "finished_at": row.finished_at, "picture": row.picture, "moves": [],
    }  # fmt: skip


def moves_of(row: MoveRun) -> QuerySet[Move]:
    """In order, with their hosts."""
    return Move.objects.filter(run=row).select_related("source", "target").order_by("position")


def present_move(row: Move) -> dict[str, Any]:
    """`row.source` and `row.target` are read."""
    return {
        "position": row.position, "guest": row.holder_id, "name": row.holder_name, "account": row.account_id,
        "source": row.source.name, "target": row.target.name if row.target else None, "cpu_m": row.cpu_m,
        "memory_mib": row.memory_mib, "disk_gib": row.disk_gib, "gain": row.gain, "state": row.state, "reason": row.reason,
        "operation": row.operation_id, "started_at": row.started_at, "finished_at": row.finished_at,
    }  # fmt: skip


def sentence_of(row: MoveRun, counts: Mapping[str, int]) -> str:
    """How it stands, in words."""
    total = sum(counts.values())
    if not total:
        return "There is nothing to move."
    done, stuck = counts[MoveState.MOVED], counts[MoveState.STUCK]
    going = total - stuck
    parts = [f"{done} of {going} moved"]
    parts += [f"{counts[state]} {state}" for state in (MoveState.MOVING, MoveState.FAILED, MoveState.DROPPED) if counts[state]]
    parts += [f"{stuck} cannot be moved" if stuck > 1 else "1 cannot be moved"] if stuck else []
    left = f"; at most {_span(row.estimated_s)} in all" if row.live and going else ""
    return f"{', '.join(parts)}{left}."


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def present_window(row: MaintenanceWindow) -> dict[str, Any]:
    """`row.host` and `row.pod` are read."""
    return {
        "id": row.pk, "pod": row.pod.slug, "host": row.host.name if row.host else None, "starts_at": row.starts_at,
        "ends_at": row.ends_at, "duty": row.duty, "reason": row.reason, "state": row.state, "actor": row.actor,
        "created_at": row.created_at, "finished_at": row.finished_at,
    }  # fmt: skip
