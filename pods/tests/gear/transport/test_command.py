"""Commands: nothing interpreted, secrets never shown."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pods.gear.errors import GearRefused
from pods.gear.transport import Command, CommandResult, Secret, SshTarget, parse_public_key

ARGUMENT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(ARGUMENT, min_size=1, max_size=6))
def test_quoting_is_undone_exactly_by_a_shell(args: list[str]) -> None:
    assert shlex.split(Command(*args).quoted()) == args


def test_secrets_show_only_in_what_is_sent() -> None:
    command = Command("login", Secret("hunter2"))
    assert "hunter2" not in f"{command} {command!r} {command.args}"
    assert command.quoted() == "login hunter2"
    assert command.prefixed("sudo", "-n").quoted() == "sudo -n login hunter2"


@pytest.mark.parametrize("args", [(), ("a\0b",), ("a", Secret("\0"))])
def test_what_no_machine_accepts_is_refused(args: tuple[str | Secret, ...]) -> None:
    with pytest.raises(ValueError, match=r"command|NUL"):
        Command(*args)


def test_last_words_prefer_standard_error() -> None:
    assert CommandResult(1, b"out", b"x" * 500 + b"err", 0.1).last_words(5) == "xxerr"
    assert CommandResult(1, b"out", b"", 0.1).last_words() == "out"


def test_target_hides_its_key_and_checks_the_pinned_one() -> None:
    target = SshTarget("h", 22, "root", "ssh-ed25519 nonsense", "-----BEGIN PRIVATE KEY-----")
    assert "BEGIN" not in repr(target)
    with pytest.raises(GearRefused, match="enrol"):
        target.pinned()
    for text in ("", "ssh-ed25519", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA=="):
        with pytest.raises(GearRefused):
            parse_public_key(text)
