"""Why a decision fell as it did: the operator's form with hosts' names, the customer's with reasons and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pods.placement.words import REASONS

# In the order in which they are asked. The three dimensions are counted apart, as `short`.
MASKS = (
    "excluded", "state", "pod", "location", "kind", "traits", "image", "preemptible",
    "cpu", "memory", "disk", "spread", "near", "exclusive", "n_plus_one",
)  # fmt: skip
SHORT = ("cpu", "memory", "disk")

# What a customer can do about each, most helpful first.
ADVICE: Mapping[str, str] = {
    "spread": "drop the spread, or allow more of the group together",
    "near": "prefer to be near the group instead of requiring it",
    "memory": "choose a smaller plan",
    "cpu": "choose a smaller plan",
    "disk": "choose a smaller plan",
    "n_plus_one": "choose a smaller plan or another pod",
    "pod": "choose another pod, or leave it out",
    "location": "choose another location, or leave it out",
    "preemptible": "choose a plan that is not preemptible, or try again when idle room is lent",
    "traits": "choose another plan",
    "image": "choose another image",
    "kind": "choose a plan of another kind",
    "exclusive": "ask the operator for shared hosts, or for more of your own",
    "state": "try again later",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`removed` maps each mask but the dimensions, in order, to how many hosts it took out; `short` does so for dimensions.

    `misses` are the hosts that lack least, with what each lacks; `top` the best ones, with each term's score.
    `displaces` counts the hosts on which preemptible guests must make room.
    """

    evaluated: int
    removed: Mapping[str, int]
    short: Mapping[str, int]
    nearest: Sequence[str] = ()
    top: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    weights: Mapping[str, float] = field(default_factory=dict)
    asked: int = 1
    placed: int = 0
    displaces: int = 0
    took_ms: float = field(default=0.0, compare=False)

    @property
    def suitable(self) -> int:
        """Hosts that nothing ruled out."""
        return self.evaluated - sum(self.removed.values()) - sum(self.short.values())

    @property
    def advice(self) -> list[str]:
        """What would help, by the reasons that ruled hosts out."""
        counts = {**self.removed, **self.short}
        return list(dict.fromkeys(text for mask, text in ADVICE.items() if counts.get(mask)))

    def for_operator(self) -> dict[str, Any]:
        """Everything, with host names."""
        plain = asdict(self)
        return {**plain, "nearest": list(self.nearest), "top": [dict(entry) for entry in self.top], "suitable": self.suitable}

    def for_customer(self) -> dict[str, Any]:
        """Reasons, counts and advice, never a host's name."""
        return {
            "evaluated": self.evaluated, "removed": dict(self.removed), "short": dict(self.short), "suitable": self.suitable,
            "asked": self.asked, "placed": self.placed, "advice": [] if self.placed == self.asked else self.advice,
        }  # fmt: skip


def reasons(explanation: Explanation, kind: str) -> list[str]:
    """Why hosts were left out, with their numbers, in words; `kind` is the guest's."""
    words = {**REASONS, "kind": f"not for {kind}s"}
    short = [f"{number} short of {what}" for what, number in explanation.short.items() if number]
    return short + [f"{number} {words[mask]}" for mask, number in explanation.removed.items() if number]


@dataclass(frozen=True, slots=True)
class Decision:
    """One host id a guest, in order; fewer than asked when there is no room for all.

    `candidates` are the best hosts of the first pick, best first: any of them would do for a single guest.
    """

    hosts: tuple[str, ...]
    explanation: Explanation
    candidates: tuple[str, ...] = ()
    displaced: frozenset[str] = frozenset()
