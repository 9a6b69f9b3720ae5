"""Public keys: what is taken, what is refused, and nothing but a sentence for any text."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.actor import Actor
from accounts.models import AccountLimit, SshKey
from accounts.services.ssh_keys import HARDWARE_TYPES, PLAIN_TYPES, add_ssh_key, parse_public_key, remove_ssh_key
from accounts.testing import actor_with, make_account, make_key
from mcp.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from mcp.events.models import AuditEntry
from pods.gear.hypervisor.grammar import _SSH_KEY

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5M1XB5dL3Ru1mNBJJ3oXqSZXv1cm6ZwBZC4bYGk3Xq"
BODY = KEY.split()[1]


def line(key: ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def hardware(kind: str) -> str:
    blob = string(kind.encode()) + string(b"k" * 32) + string(b"ssh:")
    return f"{kind} {base64.b64encode(blob).decode()}"


GOOD = [
    KEY,
    line(ed25519.Ed25519PrivateKey.generate().public_key()),
    line(rsa.generate_private_key(65537, 2048).public_key()),
    *[line(ec.generate_private_key(curve).public_key()) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())],
    *[hardware(kind) for kind in sorted(HARDWARE_TYPES)],
]


@pytest.mark.parametrize("text", GOOD, ids=lambda text: text.split()[0])
def test_good_keys(text: str) -> None:
    parsed = parse_public_key(f"  {text}  me@laptop (work)\n")
    assert (parsed.text, parsed.comment) == (text, "me@laptop (work)")
    assert parse_public_key(text).fingerprint == parsed.fingerprint
    assert len(parsed.fingerprint) == len("SHA256:") + 43
    assert _SSH_KEY.fullmatch(parsed.text)  # what is taken here is not refused by a driver later


def test_every_type_is_tried() -> None:
    assert {text.split()[0] for text in GOOD} == PLAIN_TYPES | HARDWARE_TYPES


def test_the_fingerprint_is_that_of_ssh_keygen() -> None:
    digest = hashlib.sha256(base64.b64decode(BODY)).digest()
    assert parse_public_key(KEY).fingerprint == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


PRIVATE = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PRIVATE, "private key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        (f'command="rm -rf /" {KEY}', "must begin with"),
        (f"no-pty {KEY}", "must begin with"),
        (f'from="*" {KEY}', "must begin with"),
        (f"# {KEY}", "must begin with"),
        (f"{KEY}\n{KEY}", "one line"),
        (f"{KEY}\rssh-rsa x", "one line"),
        (f"{KEY} a\x00b", "control"),
        (f"{KEY} a\x1b[2Jb", "control"),
        (f"{KEY} a\x7fb", "control"),
        (f"ssh-ed25519\t{BODY}", "control"),
        ("", "must begin with"),
        ("ssh-ed25519", "does not match|base64"),
        ("ssh-ed25519 ", "does not match|base64"),
        ("ssh-ed25519 !!!", "not base64"),
        ("ssh-ed25519 ÄÄÄÄ", "not base64"),
        (KEY[:-1], "not base64"),
        (KEY[:-4], "damaged"),
        (f"{KEY}AAAA", "damaged"),
        (f"ssh-rsa {BODY}", "does not match the type"),
        (f"sk-ssh-ed25519@openssh.com {BODY}", "does not match the type"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAP", "must begin with"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "must begin with"),
        ("SSH-ED25519 " + BODY, "must begin with"),
        (line(rsa.generate_private_key(65537, 1024).public_key()), "at least 2048 bits"),
        ("ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + string(b"\x00") + string(b"\x00")).decode(), "damaged|2048"),
        ("x" * 100_000, "must begin with"),
    ],
)
def test_bad_keys_name_the_field_and_the_remedy(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        parse_public_key(text, field="ssh_keys")
    assert [error.field for error in refused.value.errors] == ["ssh_keys"]
    assert "PRIVATE KEY-----" not in refused.value.detail


KINDS = st.sampled_from(sorted(PLAIN_TYPES | HARDWARE_TYPES))
BLOBS = st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode())


@st.composite
def labelled(draw: st.DrawFn) -> str:
    """A right label, then anything: it reaches the parser underneath."""
    kind = draw(KINDS)
    parts = draw(st.lists(st.one_of(st.binary(max_size=40).map(string), st.binary(max_size=8)), max_size=5))
    return f"{kind} {base64.b64encode(string(kind.encode()) + b''.join(parts)).decode()}"


@st.composite
def bent(draw: st.DrawFn) -> str:
    """A good key with a byte of its blob changed."""
    kind, body = draw(st.sampled_from(GOOD)).split()
    blob = bytearray(base64.b64decode(body))
    blob[draw(st.integers(0, len(blob) - 1))] = draw(st.integers(0, 255))
    return f"{kind} {base64.b64encode(bytes(blob)).decode()}"


# A point of a curve in its short form, which the library that checks keys does not read.
COMPRESSED = "ecdsa-sha2-nistp256 " + base64.b64encode(
    string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x02" + b"x" * 32)
).decode()  # fmt: skip


@settings(max_examples=400, deadline=None)
@example(COMPRESSED)
@given(st.one_of(st.text(), st.tuples(KINDS, BLOBS).map(" ".join), st.tuples(KINDS, st.text()).map(" ".join), labelled(), bent()))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        parsed = parse_public_key(text)
    except InvalidInput:
        return
    assert parsed.text.isascii()
    assert "\n" not in parsed.text
    assert parse_public_key(parsed.text).fingerprint == parsed.fingerprint


@pytest.mark.django_db
def test_adding_names_it_by_name_comment_or_fingerprint(actor: Actor) -> None:
    assert add_ssh_key(actor=actor, public_key=GOOD[1] + " me@laptop", name="work").name == "work"
    assert add_ssh_key(actor=actor, public_key=GOOD[2] + " me@laptop").name == "me@laptop"
    row = add_ssh_key(actor=actor, public_key=GOOD[3])
    assert row.fingerprint.replace("/", "").replace("+", "").endswith(row.name)
    assert len(row.name) == 12
    assert row.public_key == GOOD[3]
    assert AuditEntry.objects.filter(action="ssh_key.add").count() == 3


@pytest.mark.django_db
def test_the_fingerprint_may_end_in_any_way() -> None:
    """Without name or comment the end of the fingerprint is the name, whatever characters of base64 it has."""
    actor = actor_with(make_key(make_account()))
    AccountLimit.objects.create(account=make_account(), resource="ssh_keys", limit=None)
    for _ in range(60):
        add_ssh_key(actor=actor, public_key=line(ed25519.Ed25519PrivateKey.generate().public_key()))
    assert SshKey.objects.count() == 60


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["-x", "x" * 65, "a\nb", "a/b", "<b>", "a\x00b", "ä", " . "])
def test_bad_names(actor: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        add_ssh_key(actor=actor, public_key=KEY, name=name)
    assert [error.field for error in refused.value.errors] == ["name"]
    assert not SshKey.objects.exists()


@pytest.mark.django_db
def test_the_same_again(actor: Actor) -> None:
    row = add_ssh_key(actor=actor, public_key=KEY, name="one")
    for text, name in ((KEY, "two"), (KEY + " other comment", "three"), (GOOD[1], "one")):
        with pytest.raises(Conflict):
            add_ssh_key(actor=actor, public_key=text, name=name)
    other = actor_with(make_key(make_account("other")))
    add_ssh_key(actor=other, public_key=KEY, name="one")
    remove_ssh_key(actor=actor, row=row)
    assert [key.account.slug for key in SshKey.objects.all()] == ["other"]
    add_ssh_key(actor=actor, public_key=KEY, name="one")


@pytest.mark.django_db
def test_limit_and_role(actor: Actor) -> None:
    assert actor.account is not None
    AccountLimit.objects.create(account=actor.account, resource="ssh_keys", limit=1)
    row = add_ssh_key(actor=actor, public_key=GOOD[0], name="one")
    with pytest.raises(LimitExceeded):
        add_ssh_key(actor=actor, public_key=GOOD[1], name="two")
    viewer = actor_with(make_key(actor.account, "viewer"))
    with pytest.raises(Forbidden):
        add_ssh_key(actor=viewer, public_key=GOOD[1])
    with pytest.raises(Forbidden):
        remove_ssh_key(actor=viewer, row=row)
