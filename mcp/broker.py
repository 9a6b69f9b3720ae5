"""What Redis as a broker needs so that a worker outlives it: kombu 5.7 trips over its own closed connection in two places.

A channel that closes puts back what it has not acknowledged, and a task that ends acknowledges its message; both look up the
connection's parameters, which are gone when the broker went away first, and the AttributeError ends the worker. Neither is
needed: the sweeper wakes whatever waits, and the clock repeats itself.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual


class PatientQoS(redis.QoS):
    """Forgets a message whose connection is gone instead of asking it."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge, where there is somebody to tell."""
        if self._alone():
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give back, where there is somebody to give it to."""
        if self._alone():
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().reject(delivery_tag, requeue)

    def _alone(self) -> bool:
        link = self.channel.connection
        return link is None or link.client is None


def outlive_brokers() -> None:
    """Have every Redis channel of this process behave so; repeatable."""
    redis.Channel.do_restore = False
    redis.Channel.QoS = PatientQoS
