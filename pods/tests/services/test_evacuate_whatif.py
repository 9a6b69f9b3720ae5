"""What-if, the plan of an evacuation and the evacuation itself tell the same of a host that is to be emptied."""

from __future__ import annotations

import pytest

from accelerators.services.whatif import ask_what_if
from accelerators.testing.world import World
from accounts.actor import system
from pods.models import Host
from pods.services.evacuate import evacuate
from pods.services.move_runs import counts_of
from pods.services.whatif_question import Question
from pods.tests.services.test_evacuate import carry_on, full_host, on

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("room", [0, 1, 2, 4])
def test_as_many_find_a_place_as_what_if_says(world: World, room: int) -> None:
    host = full_host(world, 4)
    other = Host.objects.get(name="h2")
    Host.objects.filter(pk=other.pk).update(cap_memory_mib=256 * room)
    said = ask_what_if(actor=system(), question=Question(drain=("h1",)))["drained"]
    run = evacuate(actor=system(), host=host)
    counts = counts_of(run)
    assert (said["guests"], said["placed"]) == (counts["planned"] + counts["stuck"], counts["planned"])
    carry_on(run)
    assert (on(host), on(other)) == (4 - said["placed"], said["placed"])
