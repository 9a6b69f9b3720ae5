"""An accelerator as what operations work on."""

from __future__ import annotations

from accelerators.models import Accelerator
from mcp.operations.services.submit import Target
from pods.models import Pod


def target_of(accelerator: Accelerator, pod: Pod) -> Target:
    """An accelerator as the target of operations: its pod's queue, and a place in its host's, pod's and account's lane."""
    lanes = [f"account:{accelerator.account_id}", f"pod:{accelerator.pod_id}"]
    if accelerator.host_id is not None:
        lanes.append(f"host:{accelerator.host_id}")
    return Target(
        type="accelerator", id=accelerator.pk, name=accelerator.name, account_id=accelerator.account_id,
        queue=pod.queue, lanes=tuple(lanes),
    )  # fmt: skip
