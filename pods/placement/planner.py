"""The planner: which hosts should take these guests, and why. Pure: plain arrays in, a decision out.

Masks run in a fixed order and each counts what it removes; those counts are the explanation. What is left is scored by
named, weighted terms, each between 0 and 1; ties are broken by a shuffle, so parallel planners disperse.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pods.placement.request import DIMENSIONS, UNITS, Decision, Explanation, Fleet, PlacementRequest

Mask = NDArray[np.bool_]

DEFAULT_WEIGHTS: Mapping[str, float] = {"balance": 1.0, "tightest": 0.5, "image_present": 0.5}
SHORT = {"cpu_m": "cpu", "memory_mib": "memory", "disk_gib": "disk"}


def plan(
    request: PlacementRequest,
    fleet: Fleet,
    *,
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    rng: Random | None = None,
) -> Decision:
    """Choose a host for each of `count` guests, consuming room virtually from one pick to the next."""
    jitter = np.array([(rng or Random()).random() for _ in range(len(fleet))]) * 1e-6
    free = fleet.free.copy()
    want = request.need.vector()
    allowed, removed = _static_masks(request, fleet)
    used_hosts, used_pods = set(request.taken_hosts), set(request.taken_pods)
    picks: list[int] = []
    first: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], Mask] | None = None
    for _ in range(request.count):
        fits = allowed & _room(free, want) & _apart(request, fleet, used_hosts, used_pods)
        if not fits.any():
            break
        score, terms = _score(request, fleet, free, weights)
        first = first or (score, terms, fits)
        best = int(np.argmax(np.where(fits, score + jitter, -np.inf)))
        picks.append(best)
        free[best] -= want
        used_hosts.add(fleet.ids[best])
        used_pods.add(str(fleet.pods[best]))
    explanation = _explain(request, fleet, free, allowed, removed, picks, (used_hosts, used_pods), first)
    return Decision(tuple(fleet.ids[index] for index in picks), explanation)


def _static_masks(request: PlacementRequest, fleet: Fleet) -> tuple[Mask, dict[str, int]]:
    """The masks that do not depend on earlier picks, and what each removes."""
    size = len(fleet)
    masks: dict[str, Mask] = {
        "state": fleet.accepting,
        "pod": fleet.pod_open & np.fromiter((request.pod in (None, pod) for pod in fleet.pods), dtype=bool, count=size),
        "kind": np.fromiter((request.kind in kinds for kinds in fleet.kinds), dtype=bool, count=size),
    }
    left: Mask = np.ones(size, dtype=np.bool_)
    removed: dict[str, int] = {}
    for name, mask in masks.items():
        removed[name] = int((left & ~mask).sum())
        left = left & mask
    return left, removed


def _room(free: NDArray[np.int64], want: NDArray[np.int64]) -> Mask:
    return np.asarray((free >= want).all(axis=1), dtype=np.bool_)


def _apart(request: PlacementRequest, fleet: Fleet, hosts: set[str], pods: set[str]) -> Mask:
    if request.spread == "host":
        return np.fromiter((host not in hosts for host in fleet.ids), dtype=bool, count=len(fleet))
    if request.spread == "pod":
        return ~np.isin(fleet.pods, sorted(pods)) if pods else np.ones(len(fleet), dtype=bool)
    return np.ones(len(fleet), dtype=bool)


def _score(
    request: PlacementRequest, fleet: Fleet, free: NDArray[np.int64], weights: Mapping[str, float]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Weighted terms; each is 0 (bad) to 1 (good) and named in the explanation."""
    share = free / np.maximum(fleet.capacity, 1)
    terms: dict[str, NDArray[np.float64]] = {
        "balance": share.mean(axis=1),
        "tightest": share.min(axis=1),
        "image_present": np.fromiter((float(request.image in images) for images in fleet.images), dtype=float, count=len(fleet)),
    }
    total = np.zeros(len(fleet))
    for name, values in terms.items():
        total += weights.get(name, 0.0) * values
    return total, terms


def _explain(
    request: PlacementRequest,
    fleet: Fleet,
    free: NDArray[np.int64],
    allowed: Mask,
    removed: dict[str, int],
    picks: list[int],
    used: tuple[set[str], set[str]],
    first: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], Mask] | None,
) -> Explanation:
    """What was removed by what. Dimensions are counted on what the masks before them left, after the picks so far."""
    want = request.need.vector()
    placed_all = len(picks) == request.count
    base = fleet.free if placed_all else free
    left = allowed.copy()
    short: dict[str, int] = {}
    for index, dimension in enumerate(DIMENSIONS):
        lacking = left & (base[:, index] < want[index])
        short[SHORT[dimension]] = int(lacking.sum())
        left = left & ~lacking
    # Like the room: as it was before any pick if all were placed, else after the last one.
    apart = _apart(request, fleet, *((set(request.taken_hosts), set(request.taken_pods)) if placed_all else used))
    removed = {**removed, "spread": int((left & ~apart).sum())}
    return Explanation(
        evaluated=len(fleet),
        removed=removed,
        short=short,
        nearest=() if placed_all else _nearest(fleet, base, allowed, want),
        top=_top(fleet, first),
        asked=request.count,
        placed=len(picks),
    )


def _nearest(fleet: Fleet, free: NDArray[np.int64], allowed: Mask, want: NDArray[np.int64]) -> tuple[str, ...]:
    """The three hosts that lack least, each with what it lacks."""
    lacks = np.maximum(want - free, 0)
    share = (lacks / np.maximum(want, 1)).sum(axis=1)
    candidates = [index for index in np.argsort(share) if allowed[index] and share[index] > 0][:3]
    return tuple(_lack(fleet.names[index], lacks[index]) for index in candidates)


def _lack(name: str, lacks: NDArray[np.int64]) -> str:
    parts = [f"{int(lacks[i])} {UNITS[d]}" for i, d in enumerate(DIMENSIONS) if lacks[i] > 0]
    return f"{name} lacks {' and '.join(parts)}"


def _top(
    fleet: Fleet, first: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], Mask] | None
) -> tuple[dict[str, Any], ...]:
    if first is None:
        return ()
    score, terms, fits = first
    order = [int(index) for index in np.argsort(-score) if fits[index]][:5]
    return tuple(
        {
            "host": fleet.names[index],
            "score": round(float(score[index]), 4),
            "terms": {name: round(float(values[index]), 4) for name, values in terms.items()},
        }
        for index in order
    )
