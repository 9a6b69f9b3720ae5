"""The limits of the transport, in one place, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Times in seconds. The session limit stays below sshd's default `MaxSessions 10`."""

    connect_s: float = 5.0
    answer_s: float = 15.0  # longest wait for the server to say that it runs a command
    queue_s: float = 30.0  # longest wait for a free session before "too busy"
    keepalive_s: int = 4
    connections_per_target: int = 4
    sessions_per_connection: int = 8
    sessions_before_another: int = 4  # a new connection costs 60 ms and a key exchange; sharing costs less
    connections: int = 512  # in one process; idle ones are closed beyond it
    output_bytes: int = 16 * 1024 * 1024
    window_bytes: int = 16 * 1024 * 1024
    packet_bytes: int = 256 * 1024
