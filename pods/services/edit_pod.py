"""Change a pod."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from pods.models import Pod
from pods.services.change import change_row

EDITABLE = (
    "name", "location", "state", "cpu_overcommit", "memory_overcommit", "disk_overcommit", "reserve_memory_mib",
    "reserve_disk_gib", "resolvers", "dns_suffix", "queue", "time_zone", "n_plus_one",
)  # fmt: skip


def edit_pod(*, actor: Actor, pod: Pod, **wanted: Any) -> Pod:
    """Apply the fields given (of EDITABLE). Overcommit and reserves reach each host with its next probe.

    Raises Forbidden, InvalidInput.
    """
    assert set(wanted) <= set(EDITABLE)
    return change_row(pod, actor=actor, noun="pod", wanted=wanted)
