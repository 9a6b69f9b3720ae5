"""Unsafe settings are refused in production, each by the name of its variable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from mcp.checks import demand_safe, settings_are_sound

ROOT = Path(__file__).resolve().parents[2]
CELERY = ["-m", "celery", "-A", "mcp"]
STARTERS = [["-c", "import mcp.wsgi"], ["manage.py", "check"], [*CELERY, "beat"], [*CELERY, "worker", "-P", "threads"]]


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Settings that production accepts."""
    settings.MODE = "production"
    settings.SECRET_KEY = "s" * 50
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["mcp.example.org"]
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    settings.SQLITE = settings.EMBEDDED = False
    settings.PUBLIC_URL = "https://mcp.example.org"
    return settings


def test_safe_settings_are_accepted(production: Settings) -> None:
    assert settings_are_sound(None) == []
    demand_safe()


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("SECRET_KEY", "embedded-only-" + "0" * 50, "MCP_SECRET_KEY"),
        ("SECRET_KEY", "short", "MCP_SECRET_KEY"),
        ("DEBUG", True, "MCP_DEBUG"),
        ("ALLOWED_HOSTS", ["*"], "MCP_ALLOWED_HOSTS"),
        ("FIELD_KEYS", [], "MCP_FIELD_KEYS"),
        ("FIELD_KEYS", ["not a key"], "MCP_FIELD_KEYS"),
        ("SQLITE", True, "MCP_DATABASE_URL"),
        ("EMBEDDED", True, "MCP_BROKER_URL"),
        ("PUBLIC_URL", "http://mcp.example.org", "MCP_URL"),
        ("MODE", "prod", "MCP_MODE"),
    ],
)
def test_each_unsafe_setting_is_named_with_its_remedy(production: Settings, name: str, value: object, variable: str) -> None:
    setattr(production, name, value)
    (message,) = settings_are_sound(None)
    assert message.msg.startswith(variable)
    assert message.hint is not None
    assert message.hint.startswith(variable)
    assert message.is_serious()
    with pytest.raises(ImproperlyConfigured, match=variable):
        demand_safe()


def test_the_embedded_mode_accepts_its_defaults(settings: Settings) -> None:
    settings.MODE = "embedded"
    settings.FIELD_KEYS = []
    assert settings_are_sound(None) == []


@pytest.mark.parametrize("program", STARTERS)
def test_nothing_starts_on_unsafe_defaults(program: list[str], tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"], "MCP_MODE": "production", "MCP_VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "mcp.settings", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, *program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert run.returncode != 0
    for variable in ("MCP_SECRET_KEY", "MCP_FIELD_KEYS", "MCP_DATABASE_URL", "MCP_BROKER_URL", "MCP_URL"):
        assert variable in run.stderr + run.stdout
