"""What a benchmark reports, and how it is shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One figure. `ratio` compares with `baseline`; `goal` bounds the ratio, or the value where there is no baseline.

    `better` says which way is good: "less" or "more".
    """

    name: str
    value: float
    unit: str
    n: int
    p50: float
    p95: float
    baseline: float | None = None
    ratio: float | None = None
    goal: float | None = None
    better: str = "less"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        figure = self.value if self.ratio is None else self.ratio
        return figure <= self.goal if self.better == "less" else figure >= self.goal


def of_times(
    name: str, seconds: Sequence[float], baseline: Sequence[float] = (), *, goal: float | None = None, note: str = ""
) -> Result:
    """A figure from samples in seconds, shown in milliseconds, compared at the medians."""
    ours, theirs = _percentiles(seconds), _percentiles(baseline) if baseline else None
    return Result(
        name=name, value=round(ours[0], 2), unit="ms", n=len(seconds), p50=round(ours[0], 2), p95=round(ours[1], 2),
        baseline=round(theirs[0], 2) if theirs else None, ratio=round(ours[0] / theirs[0], 3) if theirs else None,
        goal=goal, note=note,
    )  # fmt: skip


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(1000 * value for value in seconds)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def write(results: Sequence[Result], path: Path) -> None:
    """The JSON list that outside checks read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def table(results: Sequence[Result]) -> str:
    """For people: a line a figure, with its goal and whether it is met."""
    head = f"{'name':28} {'value':>10} {'unit':6} {'n':>5} {'p95':>10} {'baseline':>10} {'ratio':>7} {'goal':>7}  met"
    lines = [head, "-" * len(head)]
    for row in results:
        met = {True: "yes", False: "NO", None: ""}[row.met]
        sign = "<=" if row.better == "less" else ">="
        lines.append(
            f"{row.name:28} {row.value:10.2f} {row.unit:6} {row.n:5d} {row.p95:10.2f} {_shown(row.baseline):>10} "
            f"{_shown(row.ratio):>7} {sign + _shown(row.goal) if row.goal is not None else '':>7}  {met}"
            + (f"  {row.note}" if row.note else "")
        )
    return "\n".join(lines)


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
