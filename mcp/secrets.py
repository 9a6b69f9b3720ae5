"""Secrets at rest: encrypted with keys that live outside the database (`MCP_FIELD_KEYS`, newest first)."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def _cipher() -> MultiFernet:
    keys: list[str] = list(settings.FIELD_KEYS)
    if not keys and settings.MODE == "production":
        raise ImproperlyConfigured("MCP_FIELD_KEYS is empty; `./manage.py doctor --new-field-key` prints one.")
    if not keys:
        # Embedded without a key of its own: derived from the secret key, so at least not in the database.
        keys = [base64.urlsafe_b64encode(hashlib.sha256(settings.SECRET_KEY.encode()).digest()).decode()]
    return MultiFernet([Fernet(key) for key in keys])


def seal(plain: str) -> str:
    """Encrypt text for a database column. An empty string stays empty."""
    return _cipher().encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str) -> str:
    """Decrypt what `seal` wrote under any of the configured keys.

    Raises ImproperlyConfigured when none of them fits: the keys were lost or rotated away too early.
    """
    if not sealed:
        return ""
    try:
        return _cipher().decrypt(sealed.encode()).decode()
    except InvalidToken as exc:
        raise ImproperlyConfigured("None of MCP_FIELD_KEYS opens a stored secret; restore the key that wrote it.") from exc
