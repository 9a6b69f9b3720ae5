"""Change how a host is reached, what it is called, what it has, whose guests it takes, and when it lends its idle room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.actor import Actor
from accounts.services.find import find_account
from mcp.errors import InvalidInput, NotFound
from pods.models import Host
from pods.services.change import change_row
from pods.services.enrol import NAME
from pods.states import SpotUse

EDITABLE = (
    "name", "address", "port", "user", "host_key", "traits", "options", "exclusive_account", "spot", "spot_windows",
)  # fmt: skip


def edit_host(*, actor: Actor, host: Host, **wanted: Any) -> Host:
    """Apply the fields given (of EDITABLE). A new `host_key` is pinned as given; `probe` proves that it is right.

    `exclusive_account` is the slug of the one account whose guests it takes, "" for everybody's; guests that it holds
    already stay. Preemptible guests are told to leave when it lends no more, within the time that `MCP_PREEMPT_NOTICE_S`
    gives them. Raises Forbidden, InvalidInput (also when pod or address have another host of that name).
    """
    assert set(wanted) <= set(EDITABLE)
    if wanted.get("name") is not None and not NAME.fullmatch(wanted["name"]):
        raise InvalidInput.on("name", "use 1 to 63 of a-z, 0-9 and -, not at the ends.", "malformed")
    check_lending(host, wanted)
    slug = wanted.pop("exclusive_account", None)
    if slug:
        wanted["exclusive_account_id"] = _account(slug)
    return change_row(host, actor=actor, noun="host", wanted=wanted, clear=["exclusive_account_id"] if slug == "" else [])


def _account(slug: str) -> object:
    try:
        return find_account(slug).pk
    except NotFound as error:
        raise InvalidInput.on("exclusive_account", error.detail, "unknown") from error


def check_lending(host: Host, wanted: Mapping[str, Any]) -> None:
    """Lending by windows needs windows. Raises InvalidInput naming the field."""
    after = {name: getattr(host, name) if wanted.get(name) is None else wanted[name] for name in ("spot", "spot_windows")}
    if after["spot"] == SpotUse.WINDOWS and not after["spot_windows"]:
        raise InvalidInput.on("spot_windows", 'name at least one window, such as "mon-fri 19:00-07:00".', "missing")
