"""A broker that goes away while messages are in hand: nothing of it may end a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp.celery import app
from tests.servers import own_broker

pytestmark = pytest.mark.redis


@pytest.fixture
def in_hand(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """A message that was fetched and not acknowledged, and its channel, both of a broker that is gone."""
    with own_broker(tmp_path) as broker:
        queue = app.connection_for_read(broker.url).SimpleQueue("in-hand")
        queue.put({"operation": "1"})
        message = queue.get(timeout=10)
        assert not message.acknowledged
        broker.kill()
        yield message, message.channel


def test_its_channel_closes_quietly(in_hand: tuple[Any, Any]) -> None:
    """It would put the message back, over a connection whose parameters are gone."""
    _, channel = in_hand
    channel.connection.client = None
    channel.close()
    assert channel.closed


@pytest.mark.parametrize("verb", ["ack", "reject", "requeue"])
def test_the_end_of_its_task_is_told_to_nobody(in_hand: tuple[Any, Any], verb: str) -> None:
    """As when a task ends after the consumer dropped the dead link."""
    message, channel = in_hand
    channel.connection = None
    getattr(message, verb)()
    assert message.acknowledged


def test_with_a_broker_messages_are_acknowledged_and_given_back(tmp_path: Path) -> None:
    with own_broker(tmp_path) as broker, app.connection_for_read(broker.url) as link:
        queue = link.SimpleQueue("in-hand")
        queue.put({"operation": "1"})
        queue.get(timeout=10).requeue()
        queue.get(timeout=10).ack()
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.5)
