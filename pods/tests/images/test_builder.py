"""Building: the real busybox image, the cache, failures, and progress."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.fixtures import required
from pods.images import builder, recipe, store
from pods.images.errors import BuildFailed, NoSuchRecipe

TOOL_PATH = f"{os.environ['PATH']}:/usr/sbin"
needs_busybox = pytest.mark.skipif(
    # Where the lab is required, a missing tool fails the test.
    not required() and not all(shutil.which(tool, path=TOOL_PATH) for tool in ("busybox", "dropbear", "zstd")),
    reason="needs busybox-static, dropbear-bin and zstd",
)


@needs_busybox
class TestBusybox:
    def test_a_build_and_its_cache(self, tmp_path: Path) -> None:
        told: list[tuple[str, float]] = []
        image = builder.build("busybox", tmp_path, lambda sentence, share: told.append((sentence, share)))
        assert store.intact(image)
        assert image.size_bytes < 8 << 20
        assert [share for _, share in told] == sorted(share for _, share in told)
        assert told[-1] == (f"busybox {image.version} is built", 1.0)
        assert builder.build("busybox", tmp_path) == image
        assert builder.build("busybox", tmp_path, force=True).version == f"{image.version}.2"
        assert not list(tmp_path.glob(".*"))

    def test_two_at_once_build_it_once(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda _: builder.build("busybox", tmp_path), range(2))
        assert first == second
        assert len(list(tmp_path.glob("*.tar.zst"))) == 1

    def test_another_build_is_not_waited_for_without_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(builder, "TOOL_TIMEOUT_S", 0.0)
        descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with pytest.raises(BuildFailed, match="another build"):
                builder.build("busybox", tmp_path)
        finally:
            os.close(descriptor)

    def test_what_is_in_it(self, tmp_path: Path) -> None:
        image = builder.build("busybox", tmp_path)
        subprocess.run(["zstd", "-dq", str(image.path), "-o", str(tmp_path / "image.tar")], check=True)
        with tarfile.open(tmp_path / "image.tar") as tar:
            members = {member.name: member for member in tar}
        assert all((m.uid, m.gid) == (0, 0) for m in members.values())
        assert not any(m.isdev() for m in members.values())
        assert members["./sbin/init"].mode & 0o111
        assert members["./usr/lib/mcp/first-boot"].mode & 0o111
        assert members["./root/.ssh"].mode == 0o700
        assert not [name for name in members if "host_key" in name or "authorized_keys" in name]

    def test_a_changed_recipe_is_built_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = builder.build("busybox", tmp_path)
        monkeypatch.setattr(recipe, "FORMAT", recipe.FORMAT + 1)
        assert builder.build("busybox", tmp_path).version != first.version


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSuchRecipe):
        builder.build("plan9", tmp_path)


def test_a_failed_build_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build-busybox.sh").write_text("echo no flour >&2\nexit 3\n")
    monkeypatch.setattr(builder, "SCRIPTS", tmp_path)
    with pytest.raises(BuildFailed, match="failed with 3: no flour"):
        builder.build("busybox", tmp_path / "images", force=True)
    assert list((tmp_path / "images").iterdir()) == []


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "_sources", lambda suite: ["deb http://mirror bookworm main"])
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildFailed, match="mmdebstrap"):
        builder.build("debian-12", tmp_path)


def test_a_tool_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "TOOL_TIMEOUT_S", 0.2)
    with pytest.raises(BuildFailed, match="sleep failed with -9"):
        builder._run(["sleep", "60"])


class TestSources:
    def test_those_of_the_machine_that_carry_the_suite(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = (
            "Debian|http://mirror/debian/|bookworm|main\n"
            "Debian|http://mirror/debian-security/|bookworm-security|main\n"
            "Debian|http://mirror/debian/|trixie|main\n"
            "Node Source|https://deb.nodesource.com/|nodistro|main\n"
            "W: something apt wants to say\n"
        )
        monkeypatch.setattr(builder, "_run", lambda command: rows)
        assert builder._sources("bookworm") == [
            "deb http://mirror/debian/ bookworm main",
            "deb http://mirror/debian-security/ bookworm-security main",
        ]

    def test_debians_own_where_the_machine_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(builder, "_run", lambda command: "")
        assert builder._sources("bookworm") == ["deb http://deb.debian.org/debian bookworm main"]
