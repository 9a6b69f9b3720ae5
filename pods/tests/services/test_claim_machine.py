"""The claim as a state machine against an oracle that tries everything: guests come and go, hosts change duty, groups grow."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pods.errors import CapacityExhausted
from pods.models import Allocation, Host
from pods.placement.request import Need
from pods.services.claim import release
from pods.states import HostDuty
from pods.tests.services.claims import NEED, pod_for, take, wrong

GROUPS = ("db", "web")


class Claims(RuleBasedStateMachine):
    """Two pods, five hosts of four places. All guests have one shape, so the oracle's count is exact."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        pod_for(4, hosts=3, slug="p1")
        pod_for(4, hosts=2, slug="p2")
        self.guests: dict[UUID, tuple[str, str]] = {}  # holder: host's name, group

    def teardown(self) -> None:
        """Every run begins with nothing."""
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def _possible(self, group: str, limit: int) -> int:
        """How many more could come: by host, room and the group's places."""
        total = 0
        for host in Host.objects.filter(duty=HostDuty.ACTIVE, reachable=True):
            here = [name for name in self.guests.values() if name[0] == host.name]
            room = 4 - len(here)
            total += min(room, max(0, limit - sum(g == group for _, g in here))) if group else room
        return total

    def _take(self, count: int, group: str, limit: int) -> None:
        wish: dict[str, Any] = {"spread": "host", "spread_limit": limit, "group": group} if group else {}
        possible = self._possible(group, limit)
        try:
            rows = take(count, **wish)
        except CapacityExhausted as refusal:
            assert possible < count
            told = refusal.context["placement"]
            assert (told["placed"], told["asked"], told["suitable"]) == (possible, count, 0)
        else:
            assert possible >= count
            names = dict(Host.objects.values_list("pk", "name"))
            self.guests |= {row.holder_id: (names[row.host_id], group) for row in rows}

    @rule(count=st.integers(1, 6))
    def come(self, count: int) -> None:
        """Guests without company."""
        self._take(count, "", 1)

    @rule(count=st.integers(1, 4), group=st.sampled_from(GROUPS))
    def join(self, count: int, group: str) -> None:
        """Members of a group; `db` keeps quite apart, of `web` two may share a host."""
        self._take(count, group, 1 + GROUPS.index(group))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Anybody; leaving twice changes nothing."""
        if self.guests:
            holder = data.draw(st.sampled_from(sorted(self.guests)))
            assert release(holder)
            assert not release(holder)
            del self.guests[holder]

    @rule(name=st.sampled_from(["p1-h1", "p1-h2", "p2-h1"]), duty=st.sampled_from([HostDuty.ACTIVE, HostDuty.DRAINING]))
    def change_duty(self, name: str, duty: HostDuty) -> None:
        """A draining host keeps its guests and takes no more."""
        Host.objects.filter(name=name).update(duty=duty)

    @rule(name=st.sampled_from(["p1-h3", "p2-h2"]), reachable=st.booleans())
    def change_reach(self, name: str, reachable: bool) -> None:
        """A host that does not answer takes none."""
        Host.objects.filter(name=name).update(reachable=reachable)

    @rule(too_big=st.sampled_from([Need(10**6, 1, 1), Need(1, 5 * NEED.memory_mib, 1), Need(1, 1, 10**6)]))
    def ask_too_much(self, too_big: Need) -> None:
        """More than any host has."""
        with pytest.raises(CapacityExhausted):
            take(need=too_big)

    @invariant()
    def the_books_are_right(self) -> None:
        """Sums, uid ranges, places of groups, and where everybody is."""
        assert wrong() == []
        rows = Allocation.objects.values_list("holder_id", "host__name", "group")
        assert {row[0] for row in rows} == set(self.guests)
        members = Counter((name, group) for _, name, group in rows if group)
        assert all(number <= 1 + GROUPS.index(group.rpartition(":")[2]) for (_, group), number in members.items())


@pytest.mark.django_db
def test_the_claim_does_what_the_oracle_says() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Claims, settings=settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=checks)
    )
