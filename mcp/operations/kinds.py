"""What a verb that takes time is written with: an `OperationKind` is a list of named `Step`s, each with its undo.

A step's `act` is an *ensure*: it looks, changes what differs and reads back, so that repeating it is always safe. It runs
outside any transaction, may talk to machines, and returns plain data for the journal. `record` runs inside the fenced
transaction that closes the step; only there does an operation write to the database. `undo` takes back what `act` may have
done, however far it came (it is owed from the moment the journal says `acting`), and `undo_record` the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mcp.errors import ControlPlaneError

if TYPE_CHECKING:
    from mcp.operations.context import StepContext
    from mcp.operations.models import Operation

Data = dict[str, Any]
Act = Callable[["StepContext"], Data | None]
Record = Callable[["StepContext"], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One named step. `weight` is its share of the progress bar; `timeout_s` counts from its first start."""

    name: str
    title: str
    act: Act | None = None
    record: Record | None = None
    undo: Act | None = None
    undo_record: Record | None = None
    timeout_s: float = 120.0
    weight: int = 1


class OperationKind:
    """A verb. Subclasses are stateless; one instance is registered under `name` and serves every worker thread."""

    name: ClassVar[str]
    title: ClassVar[str]
    steps: ClassVar[tuple[Step, ...]]
    exclusive: ClassVar[bool] = True
    cancellable: ClassVar[bool] = True
    # False: a permanent failure asks for an operator instead of undoing and settling as failed.
    gives_up: ClassVar[bool] = True
    # Once this step is done there is no way back: nothing is undone or cancelled, and a permanent failure asks for an operator.
    point_of_no_return: ClassVar[str] = ""
    # Deletions replace whatever exclusive operation is at work on the target.
    supersedes: ClassVar[bool] = False
    # Kinds that may replace this one although they supersede nothing else.
    yields_to: ClassVar[frozenset[str]] = frozenset()

    def load(self, ctx: StepContext) -> Any:
        """Read what the steps need, once per run; kept as `ctx.subject`."""
        return None

    def hold(self, ctx: StepContext) -> None:
        """Lock what `settle` and `record` write, before the operation's own row is locked.

        Requests lock their target first and its operations then; workers must do it in the same order, or both would wait
        for each other.
        """

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Write the domain's final state, inside the transaction that settles the operation.

        `outcome` is succeeded, failed or cancelled; the operation's row says so already. Everything that can be undone has
        been when it is failed or cancelled.
        """

    def on_attention(self, ctx: StepContext) -> None:
        """Inside the transaction that parks the operation for an operator."""

    def public_error(self, error: ControlPlaneError) -> str:
        """The sentence a customer reads; gear errors name hosts, so their detail stays with the operator."""
        return f"{self.title}: {error.title}."

    def step(self, name: str) -> Step:
        """One step by name. Raises KeyError."""
        return next(step for step in self.steps if step.name == name)


_KINDS: dict[str, OperationKind] = {}


def register(kind: type[OperationKind]) -> type[OperationKind]:
    """Class decorator: make a kind known to workers. Repeating it with the same class is harmless."""
    known = _KINDS.get(kind.name)
    if known is not None and type(known).__qualname__ != kind.__qualname__:
        raise ValueError(f"operation kind {kind.name} is registered twice")
    _KINDS[kind.name] = kind()
    return kind


def kind_named(name: str) -> OperationKind:
    """The registered kind. Raises KeyError if the code that made the operation is not installed here."""
    return _KINDS[name]


def kinds() -> Mapping[str, OperationKind]:
    """All registered kinds by name."""
    return dict(_KINDS)


def title_of(operation: Operation) -> str:
    """What people call the operation; the bare kind where the code that made it is not installed (any more)."""
    kind = _KINDS.get(operation.kind)
    return kind.title if kind is not None else operation.kind


def kind_of(operation: Operation) -> OperationKind:
    """The kind of an operation."""
    return kind_named(operation.kind)
