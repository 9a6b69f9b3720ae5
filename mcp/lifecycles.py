"""Draw tables of transitions as Mermaid state diagrams, and put them into pages between two marks.

Pages say in words what the arrows mean; the arrows themselves come from the tables that the database enforces
(mcp/transitions.py), so a page cannot tell of a change that the code does not know, or keep silent about one that it does.
"""

from __future__ import annotations

from collections.abc import Collection

from mcp.transitions import Table

BEGIN = "<!-- drawn by ./manage.py lifecycles: begin -->"
END = "<!-- drawn by ./manage.py lifecycles: end -->"


def diagram(table: Table, *, first: str) -> str:
    """A Mermaid diagram in a fenced block: the first state, every allowed change, and the states that nothing leaves."""
    lines = [f"    [*] --> {first}"]
    lines += [f"    {before} --> {after}" for before, nexts in _plain(table).items() for after in nexts]
    lines += [f"    {state} --> [*]" for state, nexts in _plain(table).items() if not nexts]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def as_rows(table: Table, *, settled: Collection[str] = ()) -> str:
    """The same as a Markdown table, for readers without pictures. `settled` marks the states that last."""
    rows = [
        f"| `{state}` | {'yes' if state in settled else 'no'} | {', '.join(f'`{after}`' for after in nexts) or 'nothing'} |"
        for state, nexts in _plain(table).items()
    ]
    return "\n".join(["| State | Lasts | May become |", "|---|---|---|", *rows])


def _plain(table: Table) -> dict[str, list[str]]:
    """In the order of the code, states as plain text."""
    order = [str(state) for state in table]
    return {str(before): sorted(map(str, nexts), key=order.index) for before, nexts in table.items()}


def put(page: str, drawing: str) -> str:
    """The page with what stands between the marks replaced. Raises ValueError when a mark is missing."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{head}{BEGIN}\n{drawing}\n{END}{tail}"
