"""Somebody changes hosts behind MCP's back: it is found within a look or two, shown, and decided by an operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.pod import Pod as Lab
from tests.caller import Caller, Json, address_of, answers
from tests.real_pod import RealPod
from tests.stack import QUICK, Stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]

# A look every MCP_RECONCILE_S, the work of looking, and for missing guests the second look that believes it.
PERIOD_S = float(QUICK["MCP_RECONCILE_S"])
FOUND_WITHIN_S = 2 * PERIOD_S + 6
INTRUDER = "made-by-hand"


def by_hand(lab: Lab, host: str, script: str, *arguments: str) -> str:
    """What somebody types on a host."""
    return lab.exec(host, "sh", "-euc", script, "sh", *arguments)


def open_findings(operator: Caller, kind: str) -> list[Json]:
    found: list[Json] = operator.get(f"/operator/drift?state=open&kind={kind}")["results"]
    return found


def found(operator: Caller, kind: str) -> Json:
    """The one open finding of a kind, waited for."""
    until(lambda: bool(open_findings(operator, kind)), within_s=FOUND_WITHIN_S, every_s=0.2, what=f"the finding {kind}")
    (finding,) = open_findings(operator, kind)
    return finding


def decide(operator: Caller, finding: Json, verb: str) -> Json:
    """Decide, and wait for what follows."""
    return operator.change("post", f"/operator/drift/{finding['id']}/{verb}")


def shown(customer: Caller, row: Json) -> tuple[str, str, str]:
    """State, power wanted and power observed, as the customer sees them."""
    now = customer.get(f"/accelerators/{row['id']}")
    return now["state"], now["power"]["wanted"], now["power"]["observed"]


def stop_behind(lab: Lab, host: str, row: Json) -> None:
    by_hand(lab, host, 'lxc-stop -k -n "mcp-$1"', row["id"])


def test_a_stopped_guest_is_shown_and_restored_or_adopted(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack
) -> None:
    row = customer.create("web")
    host = operator.host_of(row)
    stop_behind(real_pod.lab, host, row)
    finding = found(operator, "power")
    assert (finding["target"], finding["host"]) == (row["id"], host)
    assert (finding["wanted"], finding["found"]) == ({"power": "running"}, {"power": "stopped"})
    assert shown(customer, row) == ("stopped", "running", "stopped")
    assert "drift.power" in [event["kind"] for event in customer.get("/accelerators/web/timeline")["results"]]

    assert decide(operator, finding, "restore")["state"] == "restored"
    assert shown(customer, row) == ("running", "running", "running")
    assert answers(address_of(row))

    stop_behind(real_pod.lab, host, row)
    assert decide(operator, found(operator, "power"), "adopt")["state"] == "adopted"
    assert shown(customer, row) == ("stopped", "stopped", "stopped")
    looks_settle(operator, host)
    assert open_findings(operator, "power") == []
    assert real_pod.disagreements() == []


def looks_settle(operator: Caller, host: str) -> None:
    """Wait until the host has been looked at once more, from beginning to end."""
    before = operator.get(f"/operator/hosts/{host}")["inventory_at"]

    def twice() -> bool:
        return bool(operator.get(f"/operator/hosts/{host}")["inventory_at"] > before)

    until(twice, within_s=FOUND_WITHIN_S, every_s=0.2, what="another look")


def test_a_destroyed_guest_is_built_anew_or_let_go(real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack) -> None:
    row = customer.create("web")
    host = operator.host_of(row)
    destroy_behind(real_pod.lab, host, row)
    finding = found(operator, "missing")
    assert finding["target"] == row["id"]
    assert shown(customer, row)[2] == "unknown"

    assert decide(operator, finding, "restore")["state"] == "restored"
    assert shown(customer, row) == ("running", "running", "running")
    assert answers(address_of(row))

    destroy_behind(real_pod.lab, host, row)
    assert decide(operator, found(operator, "missing"), "adopt")["state"] == "adopted"
    customer.get(f"/accelerators/{row['id']}", expect=410)
    assert real_pod.disagreements() == []


def destroy_behind(lab: Lab, host: str, row: Json) -> None:
    script = (
        'lxc-stop -k -n "mcp-$1"; rm "/var/lib/lxc/mcp-$1"; cd /var/lib/mcp/store/zones; '
        'btrfs -q subvolume delete "$1/rootfs" >/dev/null; rm -r "$1"'
    )
    by_hand(lab, host, script, row["id"])


def test_loosened_limits_are_found_and_tightened_again(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack
) -> None:
    row = customer.create("web")
    host = operator.host_of(row)
    loosen = (
        "cd /sys/fs/cgroup; g=lxc.payload.mcp-$1; "
        "if [ -d pids ]; then echo 9999 >pids/$g/pids.max; else echo 9999 >$g/pids.max; fi"
    )
    by_hand(real_pod.lab, host, loosen, row["id"])
    finding = found(operator, "limits")
    assert (finding["wanted"], finding["found"]) == ({"processes": 256}, {"processes": 9999})
    refused = operator.call("post", f"/operator/drift/{finding['id']}/adopt", {}, expect=409)
    assert "restore them" in refused["detail"]
    assert decide(operator, finding, "restore")["state"] == "restored"
    limits = real_pod.on_hosts()[row["id"]].limits
    assert limits is not None
    assert limits.processes == 256
    assert shown(customer, row) == ("running", "running", "running")
    looks_settle(operator, host)
    assert open_findings(operator, "limits") == []


@contextmanager
def intruder(lab: Lab, host: str) -> Iterator[None]:
    """A guest that somebody makes without MCP, and removes in the end."""
    by_hand(lab, host, 'lxc-create -n "$1" -t busybox >/dev/null && lxc-start -n "$1"', INTRUDER)
    try:
        yield
    finally:
        by_hand(lab, host, 'lxc-destroy -f -n "$1" || rm -rf "/var/lib/lxc/$1"', INTRUDER)


def running_intruder(lab: Lab, host: str) -> bool:
    return by_hand(lab, host, 'lxc-info -n "$1" -sH', INTRUDER).strip() == "RUNNING"


def test_a_guest_made_by_hand_is_shown_and_never_touched(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack
) -> None:
    host, lab = "h1", real_pod.lab
    with intruder(lab, host):
        finding = found(operator, "unknown_guest")
        assert (finding["guest_name"], finding["target"], finding["host"]) == (INTRUDER, None, host)
        for verb in ("adopt", "restore"):
            operator.call("post", f"/operator/drift/{finding['id']}/{verb}", {}, expect=409)
        assert operator.call("post", f"/operator/drift/{finding['id']}/ignore", {}, expect=200)["state"] == "ignored"
        row = customer.create("web")
        customer.change("delete", f"/accelerators/{row['id']}?now=true")
        looks_settle(operator, host)
        assert open_findings(operator, "unknown_guest") == []  # ignored stays ignored
        assert running_intruder(lab, host)
        assert customer.get("/accelerators")["results"] == []

    def resolved() -> bool:
        return bool(operator.get(f"/operator/drift/{finding['id']}")["state"] == "resolved")

    until(resolved, within_s=FOUND_WITHIN_S, every_s=0.2, what="the finding to go with its guest")
