"""Names of accelerators: they become host names and DNS labels, so the grammar is that of a label (RFC 1123)."""

from __future__ import annotations

import re
from collections.abc import Set

LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
GRAMMAR = "use 1 to 63 of a-z, 0-9 and -, beginning with a letter and not ending with -"


def well_formed(name: str) -> bool:
    """Whether it can be a name."""
    return LABEL.fullmatch(name) is not None


def numbered(name: str, count: int, taken: Set[str]) -> list[str]:
    """`count` free names made from one: the name itself for one, else name-1, name-2, ... leaving out what is taken."""
    if count == 1:
        return [name]
    names: list[str] = []
    number = 1
    while len(names) < count:
        candidate = f"{name}-{number}"
        if candidate not in taken:
            names.append(candidate)
        number += 1
    return names
