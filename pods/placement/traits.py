"""Traits: words that say what a host has, such as `ssd` or `gpu-a100`, and what plans and images ask of one."""

from __future__ import annotations

import re

TRAIT = re.compile(r"[a-z0-9-]{1,40}")
MOST = 50
GRAMMAR = "a trait is 1 to 40 lower case letters, digits and dashes"


def trait_fault(words: object) -> str:
    """What is wrong with a list of traits, as a sentence; empty if nothing is."""
    if not isinstance(words, list | tuple):
        return "give a list of words."
    if len(words) > MOST:
        return f"at most {MOST} traits."
    bad = next((word for word in words if not isinstance(word, str) or not TRAIT.fullmatch(word)), None)
    return "" if bad is None else f"{str(bad)[:50]!r}: {GRAMMAR}."
