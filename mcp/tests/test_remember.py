"""Answers are kept for as long as was said, and forgotten when told."""

from __future__ import annotations

from django.core.cache import cache

from mcp.remember import forget, remembered


def test_an_answer_is_kept_until_it_is_forgotten() -> None:
    answers = iter([["first"], ["second"], ["third"]])
    assert remembered("k", 60, lambda: next(answers)) == ["first"]
    assert remembered("k", 60, lambda: next(answers)) == ["first"]
    forget("k")
    assert remembered("k", 60, lambda: next(answers)) == ["second"]
    cache.clear()
    assert remembered("k", 60, lambda: next(answers)) == ["third"]


def test_zero_seconds_ask_anew() -> None:
    answers = iter([1, 2])
    assert remembered("k", 0, lambda: next(answers)) == 1
    assert remembered("k", 0, lambda: next(answers)) == 2
    assert cache.get("k") is None
