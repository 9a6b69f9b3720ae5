"""System checks that refuse unsafe defaults in production. Each names the variable and what to set it to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

Rule = tuple[str, str, Callable[[], bool], str, str]
HOW_TO_MAKE_ONE = "the output of: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
NEW_FIELD_KEY = "the output of: ./manage.py doctor --new-field-key"


def _bad_field_keys() -> bool:
    for key in settings.FIELD_KEYS:
        try:
            Fernet(key)
        except ValueError:
            return True
    return False


# id, variable, whether it is unsafe, what is wrong, what to do
PRODUCTION: tuple[Rule, ...] = (
    (
        "mcp.E001", "MCP_SECRET_KEY", lambda: settings.SECRET_KEY == settings.INSECURE_KEY or len(settings.SECRET_KEY) < 32,
        "is the default that everybody knows, or shorter than 32 characters", f"set it to {HOW_TO_MAKE_ONE}",
    ),
    ("mcp.E002", "MCP_DEBUG", lambda: bool(settings.DEBUG), "is on, and error pages would show the inside of MCP", "unset it"),
    (
        "mcp.E003", "MCP_ALLOWED_HOSTS", lambda: "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS,
        "lets any Host header in", "list the names under which people reach MCP, separated by commas",
    ),
    (
        "mcp.E004", "MCP_FIELD_KEYS", lambda: not settings.FIELD_KEYS,
        "is empty, so secrets in the database would have no key of their own",
        f"set it to {NEW_FIELD_KEY}",
    ),
    (
        "mcp.E005", "MCP_DATABASE_URL", lambda: bool(settings.SQLITE),
        "is SQLite, which serves one process", "set it to postgres://USER:PASSWORD@HOST/NAME",
    ),
    (
        "mcp.E006", "MCP_BROKER_URL", lambda: bool(settings.EMBEDDED),
        "is the in-process broker, which no worker outside the web process can reach",
        "set it to redis://HOST/0 or amqp://USER:PASSWORD@HOST//",
    ),
    (
        "mcp.E007", "MCP_URL", lambda: not settings.PUBLIC_URL.startswith("https://"),
        "is not https, so passwords and keys would travel in the clear", "set it to the https address that people type",
    ),
)  # fmt: skip


@register("mcp")
def settings_are_sound(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """What is wrong with the settings; in the embedded mode only what cannot work at all."""
    messages: list[CheckMessage] = []
    if settings.MODE not in ("embedded", "production"):
        messages.append(_error("mcp.E008", "MCP_MODE", f"is {settings.MODE!r}", "set it to embedded or production"))
    if _bad_field_keys():
        messages.append(
            _error("mcp.E009", "MCP_FIELD_KEYS", "holds something that is no Fernet key", f"set it to {NEW_FIELD_KEY}")
        )
    if settings.MODE == "production":
        messages += [_error(id_, variable, wrong, remedy) for id_, variable, unsafe, wrong, remedy in PRODUCTION if unsafe()]
    return messages


def _error(id_: str, variable: str, wrong: str, remedy: str) -> Error:
    return Error(f"{variable} {wrong}.", hint=f"{variable}: {remedy}.", id=id_)


def demand_safe() -> None:
    """For web processes, workers and clocks as they start. Raises ImproperlyConfigured naming each unsafe variable."""
    wrong = [message for message in settings_are_sound(None) if message.is_serious()]
    if wrong:
        raise ImproperlyConfigured(" ".join(f"{message.msg} ({message.hint})" for message in wrong))
