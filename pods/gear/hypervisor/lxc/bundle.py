"""The host-side scripts as one archive, named by the hash of its content.

Nothing is installed on a host: the archive is unpacked under /run/mcp/ (mode 700, emptied by a restart) when a host is first
spoken to, and again whenever the host answers that it lost it. A verb then costs one command on an open connection.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pods.gear.transport import Command

LOST = 97  # exit code of a verb whose scripts the host does not have
_DIRECTORY = Path(__file__).parent / "scripts"
_PARTS = ("lib.sh", "store.sh", "observe.sh", "guest.sh", "image.sh", "move.sh", "probe.sh", "main.sh")
_FILES = ("port.sh", "reboot.sh", "inside.pl", "announce.pl", "extra.seccomp")
# Sourced, not executed: one shell does it all. The positional parameters are the script's.
_CALL = f'd=/run/mcp/$0; [ -r "$d/zone.sh" ] || exit {LOST}; set -- "$d" "$@"; . "$d/zone.sh"'
_SEND = (
    'umask 077; d=/run/mcp/$0; n=/run/mcp/.$0.$$; mkdir -p "$n" && tar -xf - -C "$n" --no-same-owner || exit 1; '
    'mv -T "$n" "$d" 2>/dev/null || rm -rf "$n"; [ -r "$d/zone.sh" ]'
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The scripts, ready to be sent. `name` is the hash."""

    name: str
    archive: bytes

    def call(self, *arguments: str) -> Command:
        """One verb; exits with LOST if the scripts must be sent first."""
        return Command("sh", "-c", _CALL, self.name, *arguments)

    def send(self) -> Command:
        """Unpack the archive from standard input; repeatable, safe against another sender at the same time."""
        return Command("sh", "-c", _SEND, self.name)


@cache
def bundle() -> Bundle:
    """The scripts of this version of MCP."""
    files = [("zone.sh", b"".join((_DIRECTORY / part).read_bytes() for part in _PARTS))]
    files += [(name, (_DIRECTORY / name).read_bytes()) for name in _FILES]
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + data for name, data in files))
    return Bundle(digest.hexdigest()[:20], pack(files))


def frames(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Files as scripts/inside.pl reads them: each "NAME SIZE", a line end, its bytes."""
    return b"".join(b"%s %d\n%s" % (name.encode("ascii"), len(data), data) for name, data in files)


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar archive in memory; the same files give the same bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o600
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
