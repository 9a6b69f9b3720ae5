"""An answer to what-if in plain values: what the API sends, the command prints and the console draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pods.placement.explanation import SHORT
from pods.placement.request import DIMENSIONS, Fleet
from pods.placement.runway import Growth, titled
from pods.placement.standing import PodAfter
from pods.placement.whatif import Answer, MoreOf, PodHeadroom, Rehomed
from pods.placement.words import REASONS
from pods.services.runway import present_runway
from pods.services.whatif_question import Question

BECAUSE = {
    "state": "because no other host there takes guests",
    "pod": "because no pod is open for them",
    "kind": "because no host runs their kind",
    "spread": "because their group has no place left",
    "exclusive": "because the hosts are kept for other accounts",
    **{word: f"for want of {word}" for word in SHORT},
}


def present(
    found: Answer, question: Question, fleet: Fleet, growth: Mapping[str, Growth], left_out: Sequence[str]
) -> dict[str, Any]:
    """`fleet` is the one before; `left_out` are the pods whose headroom was not told because they are many."""
    return {
        "fits": found.fits,
        "sentence": _sentence(found, question),
        "ends_first": found.ends_first,
        "hosts_before": found.hosts_before,
        "hosts_after": found.hosts_after,
        "lost": _rehomed(found.lost, fleet),
        "drained": _rehomed(found.drained, fleet),
        "preemptible": _rehomed(found.preemptible, fleet),
        "displaced_hosts": found.displaced_hosts,
        "more": _more(found.more),
        "pods": [_pod(pod, growth.get(pod.pod)) for pod in found.pods],
        "stranded_hosts": [
            {"host": one.host, "pod": one.pod, **dict(zip(DIMENSIONS, one.stranded, strict=True)), "gone": one.gone}
            for one in found.stranded
        ],
        "headroom": [_headroom(one) for one in found.headroom],
        "headroom_left_out": list(left_out),
    }


def _rehomed(part: Rehomed, fleet: Fleet) -> dict[str, Any]:
    rows = [fleet.rows[one.host] for one in part.left_over]
    return {
        "guests": part.guests, "placed": part.placed, "pods": dict(sorted(part.pods.items())),
        "reasons": dict(sorted(part.reasons.items())),
        "left_over": [
            {"guest": one.guest, "host": fleet.names[row], "pod": fleet.pods[int(fleet.pod[row])].slug, "reason": one.reason}
            for one, row in zip(part.left_over, rows, strict=True)
        ],
    }  # fmt: skip


def _more(more: MoreOf | None) -> dict[str, Any] | None:
    if more is None:
        return None
    explanation = {key: value for key, value in more.explanation.for_operator().items() if key != "took_ms"}
    return {
        "plan": more.plan, "count": more.count, "placed": more.placed, "pods": dict(sorted(more.pods.items())),
        "ends_first": more.ends_first, "explanation": explanation,
    }  # fmt: skip


def _pod(pod: PodAfter, growth: Growth | None) -> dict[str, Any]:
    dimensions = {
        name: {"cap": pod.cap[i], "used": pod.used[i], "free": pod.free[i], "stranded": pod.stranded[i]}
        for i, name in enumerate(DIMENSIONS)
    }
    return {
        "pod": pod.pod, "hosts": pod.hosts, "taking_guests": pod.taking_guests, **dimensions,
        "stranded_hosts": pod.stranded_hosts, "ends_first": pod.ends_first, "first": dict(pod.first), "plans": dict(pod.plans),
        "runway": present_runway(growth, pod.free),
    }  # fmt: skip


def _headroom(one: PodHeadroom) -> dict[str, Any]:
    return {
        "pod": one.pod, "hosts": one.hosts, "absorbed": one.absorbed,
        "not_absorbed": [
            {"host": host, "left_over": number, "guests": list(one.guests.get(host, ()))}
            for host, number in list(one.not_absorbed.items())[: max(1, len(one.guests))]
        ],
    }  # fmt: skip


def _sentence(found: Answer, question: Question) -> str:
    """The whole answer in a few words."""
    if not question.changes:
        return f"Nothing is supposed: {found.hosts_before} hosts as they are."
    parts = [_part(found.lost, "lost"), _part(found.drained, "drained")]
    if found.more is not None:
        parts.append(f"{found.more.placed} of {found.more.count} more {found.more.plan} fit")
    said = "; ".join(part for part in parts if part) or f"no guest has to move; {found.hosts_after} hosts then"
    end = f" {titled(found.ends_first)} ends first." if found.ends_first else ""
    return f"{'It fits' if found.fits else 'It does not fit'}: {said}.{end}"


def _part(part: Rehomed, word: str) -> str:
    if not part.guests:
        return ""
    why = ", ".join(f"{number} {reason_words(reason)}" for reason, number in sorted(part.reasons.items()))
    placed = f"{part.placed} of {part.guests} guests of {word} hosts find another"
    return f"{placed} ({why})" if why else placed


def reason_words(reason: str) -> str:
    """Why a guest finds no host, after its number: "3 for want of memory"."""
    return BECAUSE.get(reason, f"because all hosts are {REASONS.get(reason, reason)}")
