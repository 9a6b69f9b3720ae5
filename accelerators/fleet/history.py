"""How each accelerator came to be as it is: operations with journals, events, audit entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from accelerators.fleet.draw import Draw
from accelerators.fleet.guests import Guest
from accelerators.fleet.machines import Site
from accelerators.states import State
from mcp.operations.kinds import kind_named
from mcp.operations.models import Operation
from mcp.operations.states import OperationState, StepState

S = State
Line = dict[str, Any]
CREATE, START, STOP, RESTART = "accelerator.create", "accelerator.start", "accelerator.stop", "accelerator.restart"
TRASH, UNDELETE, DELETE = "accelerator.trash", "accelerator.undelete", "accelerator.delete"
# What was asked of it after it was made, by the state it is in now; the last one is at work in a passing state.
AFTERWARDS: dict[str, tuple[str, ...]] = {
    S.RUNNING: (), S.FAILED: (), S.PROVISIONING: (), S.STOPPED: (STOP,), S.TRASHED: (TRASH,), S.DELETED: (TRASH, DELETE),
    S.STARTING: (STOP, START), S.STOPPING: (STOP,), S.RESTARTING: (RESTART,), S.DELETING: (TRASH, DELETE),
    S.RESTORING: (TRASH, UNDELETE),
}  # fmt: skip
AT_WORK = (S.PROVISIONING, S.STARTING, S.STOPPING, S.RESTARTING, S.DELETING, S.RESTORING)
TOLD = {
    CREATE: ("accelerator.running", "Created and running."), START: ("accelerator.running", "Started."),
    STOP: ("accelerator.stopped", "Stopped."), RESTART: ("accelerator.running", "Restarted."),
    TRASH: ("accelerator.trashed", "Moved to the trash; it can be restored until the clock runs out."),
    UNDELETE: ("accelerator.restored", "Restored from the trash and running."),
    DELETE: ("accelerator.deleted", "Deleted; nothing of it is left."),
}  # fmt: skip
ASKED = {
    START: "started", STOP: "stopped", RESTART: "restarted", TRASH: "moved to the trash", UNDELETE: "restored",
    DELETE: "deleted",
}  # fmt: skip


@dataclass(slots=True)
class Chronicle:
    """Rows of one pod's past; those of events and audit entries as plain values."""

    operations: list[Operation] = field(default_factory=list)
    events: list[Line] = field(default_factory=list)
    audit: list[Line] = field(default_factory=list)

    def in_order(self) -> None:
        """By time, because their ids are given out as they are written."""
        self.events.sort(key=itemgetter("at"))
        self.audit.sort(key=itemgetter("at"))


class Chronicler:
    """Writes the past of the guests of one site."""

    def __init__(self, draw: Draw, site: Site) -> None:
        self._draw = draw
        self._site = site
        self._placement = _placement(site)
        self.chronicle = Chronicle()

    def tell(self, guest: Guest, *, first: bool) -> int:
        """All of one guest's past; `first` of its order gets the order's audit entry. Answers its highest fence."""
        moments = self._moments(guest)
        for fence, (kind, at) in enumerate(moments, 1):
            last = fence == len(moments)
            operation = self._operation(guest, kind, at, fence, at_work=last and guest.row.state in AT_WORK)
            self.chronicle.operations.append(operation)
            self._events(guest, operation)
            if kind != CREATE or first:
                self._audit(guest, operation)
        guest.row.revision = 1 + 2 * len(moments)
        return len(moments)

    def _moments(self, guest: Guest) -> list[tuple[str, datetime]]:
        """What was asked, and when: later things at random moments since, what is at work now just now."""
        row = guest.row
        kinds = list(AFTERWARDS[row.state])
        if row.state == S.RUNNING and self._draw.happens(0.35):
            kinds = [RESTART] if self._draw.happens(0.6) else [STOP, START]
        end = row.deleted_at or self._draw.now - timedelta(minutes=5)
        times = sorted(row.created_at + (end - row.created_at) * self._draw.chance.random() for _ in kinds)
        if row.deleted_at is not None:
            times[-1] = row.deleted_at - timedelta(seconds=1)
        if row.state in AT_WORK and times:
            times[-1] = self._draw.now
        if row.state == S.PROVISIONING:
            row.created_at = self._draw.now
        return [(CREATE, row.created_at), *zip(kinds, times, strict=True)]

    def _operation(self, guest: Guest, kind: str, at: datetime, fence: int, *, at_work: bool) -> Operation:
        row = guest.row
        failed = kind == CREATE and row.state == S.FAILED
        state = OperationState.FAILED.value if failed else OperationState.SUCCEEDED.value
        end = None if at_work else at + timedelta(seconds=0.3 + self._draw.chance.expovariate(0.4))
        operation = Operation(
            id=self._draw.id_at(at), kind=kind, account_id=row.account_id, actor=guest.order.tenant.owner,
            batch_id=guest.order.batch if kind == CREATE else None, target_type="accelerator", target_id=row.pk,
            target_name=row.name, queue=self._site.pod.queue, lanes=self._lanes(guest), state=state, progress=100, attempt=1,
            fence=fence, placement=self._placement if kind == CREATE else None, not_before=at, woken_at=at, created_at=at,
            started_at=at, finished_at=end, journal=_journal(kind, at, end or at, failed=failed),
        )  # fmt: skip
        if failed:
            operation.error_code, operation.error_message, operation.progress = row.failure_code, row.failure_message, 40
        if at_work:
            self._leave_at_work(guest, operation)
        else:
            row.settled_at = end or at
        return operation

    def _lanes(self, guest: Guest) -> list[str]:
        lanes = [f"account:{guest.row.account_id}", f"pod:{guest.row.pod_id}"]
        return lanes if guest.row.host_id is None else [*lanes, f"host:{guest.row.host_id}"]

    def _leave_at_work(self, guest: Guest, operation: Operation) -> None:
        """Queued; or, where its host does not answer, waiting for an operator."""
        operation.started_at, operation.progress, operation.fence, operation.attempt = None, 0, 0, 0
        operation.state, operation.message = OperationState.QUEUED.value, "Waiting for its turn."
        for record in operation.journal:
            record.update(state=StepState.PENDING.value, attempt=0, started_at=None, finished_at=None)
        if guest.machine is not None and guest.machine.state.down:
            title = kind_named(operation.kind).title
            operation.state, operation.error_code = OperationState.NEEDS_ATTENTION.value, "gear.unreachable"
            operation.error_message = f"{title}: The host does not answer."
            operation.operator_detail, operation.error_retryable = guest.machine.host.last_error, True

    def _events(self, guest: Guest, operation: Operation) -> None:
        row, kind, at = guest.row, operation.kind, operation.created_at
        if kind == CREATE:
            image = guest.order.image
            words = f"Requested: plan {guest.plan.slug}, image {image.slug} {image.version}."
            self._event(operation, at, "accelerator.requested", words)
        else:
            self._event(operation, at, f"{kind}.requested", f"Asked to be {ASKED[kind]}.")
        end = operation.finished_at
        if end is None:
            return
        told, words = TOLD[kind]
        if operation.state == OperationState.FAILED:
            told, words = "accelerator.failed", f"Not created: {row.failure_message} Nothing of it is left on any host."
        self._event(operation, end, told, words)
        took = (end - at).total_seconds()
        title = kind_named(kind).title
        self._event(operation, end, f"operation.{operation.state}", f"{title}: {operation.state} after {took:.1f} s.")

    def _event(self, operation: Operation, at: datetime, kind: str, message: str) -> None:
        self.chronicle.events.append(
            {
                "at": at, "account_id": operation.account_id, "kind": kind, "target_type": "accelerator",
                "target_id": operation.target_id,
                "target_name": operation.target_name, "operation_id": operation.pk, "actor": operation.actor, "message": message,
            }
        )  # fmt: skip

    def _audit(self, guest: Guest, operation: Operation) -> None:
        row = guest.row
        changes: dict[str, Any] = {"state": [str(S.RUNNING), str(row.state)]}
        if operation.kind == CREATE:
            changes = {"count": guest.order.count, "plan": guest.order.plan.slug, "image": str(guest.order.image)}
        self.chronicle.audit.append(
            {
                "at": operation.created_at, "actor": operation.actor, "account_id": row.account_id, "source": "192.0.2.7",
                "request_id": f"{operation.pk.int >> 64:016x}", "action": operation.kind, "target_type": "accelerator",
                "target_id": str(row.pk), "target_name": row.name, "operation_id": operation.pk, "changes": changes,
            }
        )  # fmt: skip

    def enrolments(self) -> Iterator[Line]:
        """How the pod and its hosts came to be."""
        pod = self._site.pod
        yield _by_operator("pod.add", pod.created_at, "pod", str(pod.pk), pod.slug, {"cidr": self._site.network.cidr})
        for machine in self._site.machines:
            host = machine.host
            yield _by_operator("host.add", host.created_at, "host", str(host.pk), host.name, {"pod": pod.slug})


def _by_operator(action: str, at: datetime, what: str, key: str, name: str, changes: dict[str, Any]) -> Line:
    return {
        "at": at, "actor": "system", "source": "simulate", "action": action, "target_type": what, "target_id": key,
        "target_name": name, "changes": changes,
    }  # fmt: skip


def _journal(kind: str, began: datetime, ended: datetime, *, failed: bool) -> list[dict[str, Any]]:
    """Steps of equal length, all done; a failed create failed at its second one and took back the first."""
    steps = kind_named(kind).steps
    share = (ended - began) / len(steps)
    return [
        {
            "name": step.name, "title": step.title, "state": _step_state(number, failed=failed), "attempt": 1,
            "started_at": (began + number * share).isoformat(), "finished_at": (began + (number + 1) * share).isoformat(),
            "message": "", "data": {},
        }
        for number, step in enumerate(steps)
    ]  # fmt: skip


def _step_state(number: int, *, failed: bool) -> str:
    if not failed:
        return StepState.DONE.value
    return (StepState.DONE, StepState.FAILED)[number].value if number < 2 else StepState.PENDING.value


def _placement(site: Site) -> dict[str, Any]:
    """One explanation for all guests of a pod: how many hosts were looked at, and the best ones."""
    evaluated = len(site.holding)
    resting = sum(machine.host.duty != "active" or not machine.host.reachable for machine in site.holding)
    customer = {
        "evaluated": evaluated, "removed": {"state": resting} if resting else {}, "short": {}, "suitable": evaluated - resting,
        "asked": 1, "placed": 1, "advice": [],
    }  # fmt: skip
    best = [{"host": m.host.name, "score": 1.5, "terms": {"balance": 0.7, "tightest": 0.3}} for m in site.holding[:5]]
    more = {"nearest": [], "top": best, "weights": {"balance": 1.0, "tightest": 0.5}, "displaces": 0, "took_ms": 1.5}
    return {"customer": customer, "operator": customer | more}
