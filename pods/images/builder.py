"""Build an image from its recipe: busybox in a second, Debian by mmdebstrap in half a minute. Needs root.

Debian's packages come from where this machine's own come from (its apt sources and proxy); signatures are checked by apt.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pods.images import store
from pods.images.errors import BuildFailed
from pods.images.recipe import FILES, SCRIPTS, Recipe, load
from pods.images.store import BuiltImage

Progress = Callable[[str, float], None]  # a sentence and a share 0..1

TOOL_TIMEOUT_S = 1800.0
TAR = ("tar", "--numeric-owner", "--owner=0", "--group=0", "--sort=name")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
# What mmdebstrap says as it goes on, and how much is done by then.
STAGES = {
    "running apt-get update": ("Reading package lists", 0.05),
    "downloading packages": ("Downloading packages", 0.1),
    "extracting archives": ("Unpacking the base system", 0.25),
    "installing essential": ("Installing the base system", 0.35),
    "installing remaining": ("Installing packages", 0.5),
    "running --customize-hook": ("Settling in", 0.8),
    "creating tarball": ("Packing", 0.85),
}


def build(slug: str, out_dir: Path, progress: Progress | None = None, *, force: bool = False) -> BuiltImage:
    """The image of this recipe: the one already built, unless the recipe changed or `force` is given.

    Repeatable; nothing half-built is ever seen. Raises NoSuchRecipe, RecipeBroken, BuildFailed.
    """
    recipe = load(slug)
    out_dir.mkdir(parents=True, exist_ok=True)
    tell = progress or _silent
    with _one_at_a_time(out_dir), tempfile.TemporaryDirectory(prefix=f".{slug}-", dir=out_dir) as workshop:
        if not force and (image := store.newest(out_dir, recipe)):
            tell(f"{slug} {image.version} is already built", 1.0)
            return image
        archive = _build_archive(recipe, Path(workshop), tell)
        version = store.next_version(out_dir, slug, datetime.now(UTC).date())
        image = store.publish(out_dir, recipe, archive, version)
    tell(f"{slug} {image.version} is built", 1.0)
    return image


@contextlib.contextmanager
def _one_at_a_time(out_dir: Path) -> Iterator[None]:
    """Two that want the same image build it once, and versions are counted by one at a time. The lock leaves no file."""
    descriptor = os.open(out_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + TOOL_TIMEOUT_S
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise BuildFailed(f"another build has held {out_dir} for {TOOL_TIMEOUT_S:.0f} s; end it")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _silent(_sentence: str, _share: float) -> None:
    """No one watches."""


def _build_archive(recipe: Recipe, workshop: Path, tell: Progress) -> Path:
    tar = workshop / "image.tar"
    if recipe.method == "busybox":
        _busybox(workshop / "root", tar, tell)
    else:
        _debian(recipe, tar, tell)
    tell("Compressing", 0.9)
    _run(["zstd", "-q", "-T0", "-3", "--rm", str(tar)])
    return workshop / "image.tar.zst"


def _busybox(root: Path, tar: Path, tell: Progress) -> None:
    tell("Collecting busybox and dropbear", 0.2)
    _run(["/bin/sh", str(SCRIPTS / "build-busybox.sh"), str(FILES), str(root)])
    _run([*TAR, "-C", str(root), "-cf", str(tar), "."])


def _debian(recipe: Recipe, tar: Path, tell: Progress) -> None:
    hook = [f"sh {SCRIPTS / 'customize-debian.sh'} {FILES} '{','.join(recipe.dormant)}' \"$1\""]
    command = [
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--skip=output/dev"),
        *('--aptopt=APT::Install-Recommends "false"', f"--include={','.join(recipe.packages)}"),
        *(f"--customize-hook={line}" for line in hook),
        *(recipe.suite, str(tar), *_sources(recipe.suite)),
    ]
    _run(command, on_line=lambda line: _tell_stage(line, tell))
    # --skip=output/dev leaves device nodes out, and the directory with them: LXC wants something to mount its own on.
    (tar.parent / "extra" / "dev").mkdir(parents=True)
    _run([*TAR, "-C", str(tar.parent / "extra"), "-rf", str(tar), "./dev"])


def _tell_stage(line: str, tell: Progress) -> None:
    for words, (sentence, share) in STAGES.items():
        if words in line:
            tell(sentence, share)


def _sources(suite: str) -> list[str]:
    """Lines for sources.list: those of this machine that carry the suite, or Debian's own mirror."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"]
    lines = []
    for row in _run(asked).splitlines():
        origin, *rest = row.split("|")
        if origin == "Debian" and rest[1] in (suite, f"{suite}-updates", f"{suite}-security"):
            lines.append(f"deb {' '.join(rest)}")
    return lines or [f"deb {DEFAULT_MIRROR} {suite} main"]


def _environment() -> dict[str, str]:
    """Ours, with the proxy that apt is told to use here: mmdebstrap's apt does not read this machine's settings."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/sbin:/sbin"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        proxy = answer.stdout.split()
        if proxy and proxy[0] != "DIRECT":
            environment["http_proxy"] = proxy[0]
    return environment


def _run(command: Sequence[str], on_line: Callable[[str], None] | None = None) -> str:
    """Run a tool; what it prints is told line by line, and answered as a whole. Raises BuildFailed."""
    try:
        tool = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
        )
    except OSError as error:
        raise BuildFailed(f"{command[0]}: {error.strerror}; install the Debian package that brings it") from error
    with tool, _limit(tool):
        said = "".join(_told(tool, on_line))
    if tool.returncode != 0:
        raise BuildFailed(f"{command[0]} failed with {tool.returncode}: {said[-1500:].strip()}")
    return said


def _told(tool: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> Iterator[str]:
    for line in tool.stdout or ():
        if on_line:
            on_line(line)
        yield line


@contextlib.contextmanager
def _limit(tool: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the tool when its time is up."""
    timer = threading.Timer(TOOL_TIMEOUT_S, tool.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
