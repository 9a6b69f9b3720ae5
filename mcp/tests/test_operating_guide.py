"""docs/operating.md tells of every setting, metric and finding; and the unit files start what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from mcp.health.doctor import _examinations

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
SOURCES = [ROOT / "mcp" / "settings.py", ROOT / "deploy" / "gunicorn.conf.py"]


def test_every_setting_is_in_the_table() -> None:
    read = {name for source in SOURCES for name in re.findall(r'"(MCP_[A-Z_]+)"', source.read_text())}
    told = set(re.findall(r"MCP_[A-Z_]+", GUIDE)) | {
        "MCP_LANE_POD", "MCP_LANE_ACCOUNT",
    }  # fmt: skip
    assert read
    assert read - told == set()


def test_every_examination_has_a_remedy_in_the_guide() -> None:
    table = GUIDE[GUIDE.index("## The doctor") :]
    assert [name for name, _ in _examinations if name not in table] == []


def test_every_alert_is_on_a_metric_that_exists() -> None:
    code = "".join(path.read_text() for path in [*ROOT.glob("mcp/health/*.py"), ROOT / "pods" / "services" / "metrics.py"])
    alerts = GUIDE[GUIDE.index("| Alert when") : GUIDE.index("## The doctor")]
    named = {name.removesuffix("_bucket").removesuffix("_total") for name in re.findall(r"mcp_[a-z_]+", alerts)}
    assert [name for name in sorted(named) if name not in code] == []


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy" / "systemd").glob("*.service")), ids=lambda path: path.name)
def test_units_have_limits_and_run_unprivileged(unit: Path) -> None:
    text = unit.read_text()
    for line in ("User=mcp", "Restart=always", "NoNewPrivileges=yes", "EnvironmentFile=/etc/mcp/mcp.env"):
        assert line in text


def test_some_unit_serves_the_queue_of_the_watch() -> None:
    text = (ROOT / "deploy" / "systemd" / "mcp-watch.service").read_text()
    assert f" -Q {settings.WATCH_QUEUE} " in text


def test_the_example_sets_what_production_demands() -> None:
    example = (ROOT / "deploy" / "mcp.env.example").read_text()
    checks = (ROOT / "mcp" / "checks.py").read_text()
    demanded = set(re.findall(r'"(MCP_[A-Z_]+)"', checks)) - {"MCP_DEBUG"}
    assert {name for name in demanded if f"\n{name}=" not in example} == set()
