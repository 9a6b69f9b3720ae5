"""Change how a host is reached and what it is called."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from mcp.errors import InvalidInput
from pods.models import Host
from pods.services.change import change_row
from pods.services.enrol import NAME

EDITABLE = ("name", "address", "port", "user", "host_key", "traits", "options")


def edit_host(*, actor: Actor, host: Host, **wanted: Any) -> Host:
    """Apply the fields given (of EDITABLE). A new `host_key` is pinned as given; `probe` proves that it is right.

    Raises Forbidden, InvalidInput (also when pod or address have another host of that name).
    """
    assert set(wanted) <= set(EDITABLE)
    if wanted.get("name") is not None and not NAME.fullmatch(wanted["name"]):
        raise InvalidInput.on("name", "use 1 to 63 of a-z, 0-9 and -, not at the ends.", "malformed")
    return change_row(host, actor=actor, noun="host", wanted=wanted)
