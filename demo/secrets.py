"""Secrets of a demonstration: made once, kept in `var/settings.env`."""

from __future__ import annotations

import secrets
import subprocess

from cryptography.fernet import Fernet

from demo import envfile
from demo.places import Places


def ensure_settings(places: Places, port: int) -> dict[str, str]:
    """The server's settings: what is there stays, what is missing is made. Repeatable."""
    known = envfile.read(places.settings)
    wanted = {
        "MCP_SECRET_KEY": secrets.token_urlsafe(50),
        "MCP_FIELD_KEYS": Fernet.generate_key().decode(),
        **known,
        "MCP_URL": f"http://127.0.0.1:{port}",
    }
    if wanted != known:
        envfile.write(places.settings, wanted, comment="Made by `make up`; read by every ./manage.py of this checkout.")
    return wanted


def ensure_ssh_key(places: Places) -> str:
    """The key pair that opens the account's accelerators; answers the public half. Repeatable."""
    key = places.ssh_key
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(key)]
        subprocess.run(command, check=True, timeout=30, stdin=subprocess.DEVNULL)
    return key.with_name(f"{key.name}.pub").read_text(encoding="ascii").strip()


def password() -> str:
    """A password for a person."""
    return secrets.token_urlsafe(15)
