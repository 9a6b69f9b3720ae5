"""Secrets at rest: sealed with the newest key, opened with any, and one sentence when no key fits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mcp.secrets import seal, unseal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_and_is_not_readable_meanwhile(text: str) -> None:
    sealed = seal(text)
    assert unseal(sealed) == text
    assert sealed.isascii()
    assert len(text) < 8 or text not in sealed


def test_nothing_stays_nothing() -> None:
    assert (seal(""), unseal("")) == ("", "")


def test_the_same_text_is_never_sealed_alike() -> None:
    assert seal("x") != seal("x")


def test_rotation(settings: Settings) -> None:
    settings.FIELD_KEYS = [OLD]
    before = seal("s3cret")
    settings.FIELD_KEYS = [NEW, OLD]
    after = seal("s3cret")
    assert (unseal(before), unseal(after)) == ("s3cret", "s3cret")
    settings.FIELD_KEYS = [NEW]
    assert unseal(after) == "s3cret"
    with pytest.raises(ImproperlyConfigured, match="restore the key"):
        unseal(before)


@pytest.mark.parametrize("damage", [lambda s: s[:-2], lambda s: s[:20] + "AAAA" + s[24:], lambda s: "x"])
def test_a_lost_key_or_a_damaged_secret_is_a_sentence_without_the_secret(
    settings: Settings, damage: Callable[[str], str]
) -> None:
    settings.FIELD_KEYS = [OLD]
    sealed = seal("s3cret")
    with pytest.raises(ImproperlyConfigured) as refused:
        unseal(damage(sealed))
    assert "MCP_FIELD_KEYS" in str(refused.value)
    assert sealed not in str(refused.value)


def test_production_wants_keys_of_its_own_and_embedded_derives_one(settings: Settings) -> None:
    settings.FIELD_KEYS, settings.MODE = [], "production"
    with pytest.raises(ImproperlyConfigured, match="--new-field-key"):
        seal("x")
    settings.MODE = "embedded"
    sealed = seal("x")
    assert unseal(sealed) == "x"
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(ImproperlyConfigured):
        unseal(sealed)
