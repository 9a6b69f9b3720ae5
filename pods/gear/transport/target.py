"""Where a machine is and how it is trusted: address, pinned host key, our private key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import paramiko

from pods.gear.errors import CredentialsRefused, GearRefused

_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """One machine's SSH door. `host_key` is an OpenSSH public key ("ssh-ed25519 AAAA..."), pinned at enrolment.

    `private_key` is the text of a key or the path of one; it never shows in a repr.
    """

    address: str
    port: int
    user: str
    host_key: str
    private_key: str = field(repr=False)

    @property
    def name(self) -> str:
        """How logs and errors call the machine."""
        return f"{self.user}@{self.address}:{self.port}"

    def pinned(self) -> tuple[str, bytes]:
        """Type and bytes of the pinned key. Raises GearRefused if it is no OpenSSH public key."""
        return parse_public_key(self.host_key)


def parse_public_key(text: str) -> tuple[str, bytes]:
    """Type and bytes of an OpenSSH public key. Raises GearRefused if the text is none."""
    parts = text.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
        length = int.from_bytes(blob[:4], "big")
        if blob[4 : 4 + length].decode("ascii") == parts[0]:
            return parts[0], blob
    except (IndexError, binascii.Error, UnicodeDecodeError):
        pass
    raise GearRefused("The pinned host key is not an OpenSSH public key; enrol the machine again.")


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


@lru_cache(maxsize=64)
def load_private_key(text_or_path: str) -> paramiko.PKey:
    """Our key, from its text or its path; kept, because parsing costs more than a command.

    Raises CredentialsRefused if it cannot be read.
    """
    text = text_or_path if "PRIVATE KEY" in text_or_path else _read_key(text_or_path)
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise CredentialsRefused("The private key is not an unencrypted Ed25519, ECDSA or RSA key in OpenSSH or PEM form.")


def _read_key(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise CredentialsRefused("The private key's file cannot be read.") from error
