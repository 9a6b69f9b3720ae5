"""`manage.py image`; the builder itself has tests of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from pods.errors import ImageUnavailable
from pods.images.errors import BuildFailed
from pods.images.store import BuiltImage
from pods.management.commands import image as command
from pods.models import Image
from pods.services.images import find_image

pytestmark = pytest.mark.django_db
Output = pytest.CaptureFixture[str]


def built(version: str = "1") -> BuiltImage:
    """As the builder answers."""
    return BuiltImage("busybox", version, Path("busybox-1.tar.zst"), "a" * 64, 2**20, "BusyBox", 16, 1, 22, "d" * 64)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A builder that tells of two stages; the list collects what `force` it was given."""
    forced: list[bool] = []

    def build(slug: str, directory: Path, tell: Callable[[str, float], None], *, force: bool = False) -> BuiltImage:
        forced.append(force)
        for sentence, share in (("Unpacking", 0.5), ("Unpacking", 0.6), ("Packing", 0.9)):
            tell(sentence, share)
        if slug != "busybox":
            raise BuildFailed("tar failed with 2: no room")
        return built()

    monkeypatch.setattr(command, "build", build)
    return forced


def test_build_registers_and_tells_each_stage_once(builder: list[bool], capsys: Output) -> None:
    call_command("image", "build", "busybox")
    call_command("image", "build", "busybox", "--force")
    out = capsys.readouterr().out
    assert out.count("Unpacking") == 2  # one line a run: there is no terminal
    assert "busybox 1 is registered: 1.0 MiB" in out
    assert builder == [False, True]
    assert Image.objects.count() == 1


def test_a_failed_build_says_what_the_tool_said_and_registers_nothing(builder: list[bool]) -> None:
    with pytest.raises(CommandError, match="no room"):
        call_command("image", "build", "debian-12")
    assert not Image.objects.exists()


def test_disable_hides_it_from_customers_and_enable_brings_it_back(builder: list[bool], capsys: Output) -> None:
    call_command("image", "build", "busybox")
    call_command("image", "disable", "busybox@1")
    with pytest.raises(ImageUnavailable):
        find_image("busybox")
    capsys.readouterr()
    call_command("image", "list", "--json")
    assert json.loads(capsys.readouterr().out)[0]["state"] == "disabled"
    call_command("image", "enable", "busybox")
    assert find_image("busybox").version == "1"


def test_an_unknown_image_is_refused_with_those_there_are(builder: list[bool]) -> None:
    call_command("image", "build", "busybox")
    with pytest.raises(CommandError, match="there are: busybox@1"):
        call_command("image", "disable", "busybox@2")
