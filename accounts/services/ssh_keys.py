"""Parse, add and remove SSH public keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django.db import IntegrityError, transaction

from accounts.actor import Actor
from accounts.models import SshKey
from accounts.services.limits import demand_room, lock_account
from mcp.errors import Conflict, InvalidInput
from mcp.events.services.audit import audit

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 @._+-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
MIN_RSA_BITS = 2048
# cryptography parses these but sshd has dropped or never liked them, or (sk-*) it cannot parse them.
PLAIN_TYPES = frozenset({"ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"})
HARDWARE_TYPES = frozenset({"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"})


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed public key: `text` is type and base64 on one line, without comment or options."""

    text: str
    fingerprint: str
    comment: str


def parse_public_key(text: str, field: str = "public_key") -> ParsedKey:
    """Parse one line of an authorized_keys file without options.

    Raises InvalidInput: private keys, several lines, options, unknown types, broken base64, RSA below 2048 bits.
    """
    line = text.strip()
    if "PRIVATE KEY" in line:
        raise InvalidInput.on(field, "this is a private key; keep it secret and send the .pub file instead.")
    if any(ord(character) < 32 or ord(character) == 127 for character in line):
        raise InvalidInput.on(field, "must be one line without control characters; send keys one by one.")
    kind, _, rest = line.partition(" ")
    body, _, comment = rest.strip().partition(" ")
    if kind not in PLAIN_TYPES | HARDWARE_TYPES:
        raise InvalidInput.on(field, f"must begin with one of {', '.join(sorted(PLAIN_TYPES | HARDWARE_TYPES))}.")
    blob = _decode(kind, body, field)
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return ParsedKey(text=f"{kind} {body}", fingerprint=f"SHA256:{digest}", comment=comment.strip()[:64])


def _decode(kind: str, body: str, field: str) -> bytes:
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput.on(field, "the part after the type is not base64; copy the whole .pub file.") from exc
    name = kind.encode()
    if not blob.startswith(len(name).to_bytes(4, "big") + name):
        raise InvalidInput.on(field, "the key does not match the type it is labelled with.")
    if kind in PLAIN_TYPES:
        _demand_sound(kind, body, field)
    return blob


def _demand_sound(kind: str, body: str, field: str) -> None:
    try:
        key = load_ssh_public_key(f"{kind} {body}".encode())
    except (ValueError, UnsupportedAlgorithm, NotImplementedError) as exc:  # the last: a compressed point of a curve
        raise InvalidInput.on(field, "the key is damaged; copy the whole .pub file.") from exc
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise InvalidInput.on(field, f"RSA keys need at least {MIN_RSA_BITS} bits; make one with ssh-keygen -t ed25519.")


def add_ssh_key(*, actor: Actor, public_key: str, name: str = "") -> SshKey:
    """Store a key in the actor's account. Raises InvalidInput, Conflict (same name or key), LimitExceeded."""
    actor.demand("ssh_keys.write")
    parsed = parse_public_key(public_key)
    # Without name and comment: the end of the fingerprint, less the characters of base64 that no name may have.
    label = (name or parsed.comment or re.sub("[^A-Za-z0-9]", "", parsed.fingerprint)[-12:]).strip()
    if not NAME.fullmatch(label):
        raise InvalidInput.on(
            "name", "use 1 to 64 letters, digits, spaces and @._+-, beginning and ending with a letter or digit."
        )
    with transaction.atomic():
        account = lock_account(actor.demand_account().pk)
        demand_room(account, {"ssh_keys": 1})
        try:
            with transaction.atomic():
                row = SshKey.objects.create(account=account, name=label, public_key=parsed.text, fingerprint=parsed.fingerprint)
        except IntegrityError as exc:
            raise Conflict(f"The account has this key, or another one named {label!r}, already.") from exc
        audit(
            "ssh_key.add", actor=actor.label, source=actor.source, account_id=account.pk, target_type="ssh_key",
            target_id=row.pk, target_name=label, changes={"fingerprint": parsed.fingerprint},
        )  # fmt: skip
    return row


def remove_ssh_key(*, actor: Actor, row: SshKey) -> None:
    """Forget a key. Accelerators that have it keep it until they are rebuilt."""
    actor.demand("ssh_keys.write")
    with transaction.atomic():
        audit(
            "ssh_key.remove", actor=actor.label, source=actor.source, account_id=row.account_id, target_type="ssh_key",
            target_id=row.pk, target_name=row.name, changes={"fingerprint": row.fingerprint},
        )  # fmt: skip
        row.delete()
