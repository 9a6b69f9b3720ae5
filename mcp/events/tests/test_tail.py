"""Following the event log misses nothing, in whatever order transactions commit."""

from __future__ import annotations

import random
import threading
import time
from uuid import UUID

import pytest
from django.db import connection, transaction

from mcp.events.models import Event
from mcp.events.services.emit import emit
from mcp.events.services.tail import events_after, newest_event
from mcp.ids import new_id

OWNER = new_id()


def tell(message: str, owner: UUID = OWNER) -> Event:
    return emit("test", message, target_type="thing", target_id=new_id(), account_id=owner)


def shown(after: int, wanted: list[str]) -> bool:
    """Whether that is what a reader gets, at the latest when whoever else writes to this cluster has finished."""
    deadline = time.monotonic() + 10
    while messages(after) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return messages(after) == wanted


def messages(after: int) -> list[str]:
    return [event.message for event in events_after(after, account_id=OWNER, most=100)]


@pytest.mark.django_db(transaction=True)
def test_reading_on_from_a_cursor() -> None:
    first, second, third = tell("one"), tell("two"), tell("three")
    tell("not ours", new_id())
    assert shown(0, ["one", "two", "three"])
    assert shown(first.pk, ["two", "three"])
    assert messages(third.pk) == []
    assert messages(third.pk + 1000) == []
    assert newest_event(account_id=OWNER) == third.pk
    assert newest_event(account_id=new_id()) == 0
    gone = second.pk
    second.delete()
    assert shown(gone, ["three"])


class Writer:
    """Writes one event in another connection and commits when told."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.written, self.go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.written.wait(20)

    def _run(self) -> None:
        with transaction.atomic():
            tell(self.message)
            self.written.set()
            self.go_on.wait(20)
        connection.close()

    def commit(self) -> None:
        self.go_on.set()
        self.thread.join(20)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_slow_transaction_with_a_lower_id_is_not_skipped(on_postgres: None) -> None:
    slow = Writer("slow")
    fast = Writer("fast")
    fast.commit()
    assert Event.objects.filter(message="fast").exists()
    assert messages(0) == []  # handing "fast" out now would lose "slow"
    slow.commit()
    assert shown(0, ["slow", "fast"])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_transaction_begun_early_that_writes_late_is_not_skipped(on_postgres: None) -> None:
    """Its transaction number is the lowest and its event id the highest; an order by id alone would lose the one between."""
    begun, write, done = threading.Event(), threading.Event(), threading.Event()

    def early() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")
            begun.set()
            write.wait(20)
            tell("early")
        done.set()
        connection.close()

    thread = threading.Thread(target=early)
    thread.start()
    assert begun.wait(20)
    between = Writer("between")
    write.set()
    assert done.wait(20)
    thread.join(20)
    assert shown(0, ["early"])
    seen = events_after(0, account_id=OWNER, most=100)
    between.commit()
    assert shown(seen[-1].pk, ["between"])


@pytest.mark.django_db(transaction=True)
def test_a_follower_sees_each_event_of_many_writers_exactly_once() -> None:
    """On either database; on PostgreSQL with transactions that end in any order, some of them rolled back."""
    each, expected, lock = 25, set(), threading.Lock()

    def write(name: str) -> None:
        chance = random.Random(name)
        for number in range(each):
            message = f"{name}-{number}"
            try:
                with transaction.atomic():
                    tell(message)
                    if connection.vendor == "postgresql":
                        time.sleep(chance.random() * 0.01)
                    if chance.random() < 0.2:
                        raise InterruptedError
            except InterruptedError:
                continue
            with lock:
                expected.add(message)
        connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    after, deadline = 0, time.monotonic() + 60
    while time.monotonic() < deadline:
        finished = not any(thread.is_alive() for thread in threads)
        for event in events_after(after, account_id=OWNER, most=7):
            seen.append(event.message)
            after = event.pk
        if finished and not events_after(after, account_id=OWNER, most=1):
            break
    assert sorted(seen) == sorted(expected)
