"""One authenticated SSH connection, shared by several sessions, each thread taking its turn to open one."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, cMSG_CHANNEL_REQUEST

from pods.gear.errors import CredentialsRefused, GearUnreachable, HostKeyChanged
from pods.gear.transport.limits import TransportLimits
from pods.gear.transport.target import SshTarget, fingerprint, load_private_key

# AES-GCM needs no separate MAC pass; the rest follow for older servers.
UNACKNOWLEDGED_MS = 8_000
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")


def _peer_closed(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Note that the server closed a channel, and leave our own CLOSE to the thread that owns it.

    Paramiko answers CLOSE in its reading thread at once. The server may then give the number to another session while the
    owner still has input or an EOF on its way, which would land in that other session. The owner closes when it is done.
    """
    with channel.lock:
        channel.eof_sent = True  # wakes and ends a sender
        channel.in_buffer.close()
        channel.in_stderr_buffer.close()
        channel.out_buffer_cv.notify_all()
        channel.event.set()
        channel.status_event.set()


class _Link(paramiko.Transport):
    """Paramiko's transport with that one handler replaced (paramiko is pinned; the stress test guards it)."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **vars(paramiko.Transport)["_channel_handler_table"],
        MSG_CHANNEL_CLOSE: _peer_closed,
    }


class SessionRefused(Exception):
    """The server takes no further session on this connection (its MaxSessions); inner to the transport."""


class Connection:
    """An open connection. `sessions` and `used_at` belong to the pool and change only under its lock."""

    def __init__(self, target: SshTarget, link: paramiko.Transport, limits: TransportLimits) -> None:
        self.target = target
        self.sessions = 0
        self.capacity = limits.sessions_per_connection
        self.used_at = time.monotonic()
        self._link = link
        self._limits = limits
        self._turn = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known without sending anything."""
        return self._link.is_active() and self._link.is_authenticated()

    def open_session(self, timeout_s: float) -> paramiko.Channel:
        """A fresh channel. Raises SessionRefused, or GearUnreachable when the connection is broken."""
        deadline = time.monotonic() + timeout_s
        try:
            with self._taking_turns(timeout_s):
                timeout_s = max(0.1, deadline - time.monotonic())
                return self._link.open_session(
                    window_size=self._limits.window_bytes, max_packet_size=self._limits.packet_bytes, timeout=timeout_s
                )
        except paramiko.ChannelException as error:
            raise SessionRefused from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            raise GearUnreachable(f"{self.target.name}: the connection broke before the command was sent.") from error

    def execute(self, channel: paramiko.Channel, text: str, timeout_s: float) -> None:
        """Send the command; from here on it may run. Raises paramiko's errors and OSError (TimeoutError when the server does
        not say in time whether it runs it), and GearUnreachable when it could not be sent in time.
        """
        limit_s = min(timeout_s, self._limits.answer_s)
        with self._taking_turns(limit_s):
            _execute(channel, text, limit_s)

    @contextmanager
    def _taking_turns(self, timeout_s: float) -> Iterator[None]:
        if not self._turn.acquire(timeout=timeout_s):
            raise GearUnreachable(f"{self.target.name}: the connection stayed busy for {timeout_s:.0f} s; nothing was sent.")
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close for good."""
        self._link.close()


def _execute(channel: paramiko.Channel, text: str, timeout_s: float) -> None:
    """What `Channel.exec_command` does, but with a limit: a machine whose kernel lives while its sshd hangs acknowledges every
    packet and never answers.
    """
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(True)
    message.add_string(text)
    if channel.closed or not channel.get_transport().is_active():
        raise paramiko.SSHException("Channel is not open")
    inner: Any = channel  # the pinned paramiko has no public way
    inner._event_pending()
    inner.transport._send_user_message(message)
    if not inner.event.wait(timeout_s):
        raise TimeoutError
    inner._wait_for_event()


def connect(target: SshTarget, limits: TransportLimits, within_s: float | None = None) -> Connection:
    """Open, compare the host key with the pinned one, sign in; each of the three within `connect_s` or what is asked for.

    Raises GearUnreachable, HostKeyChanged, CredentialsRefused.
    """
    key = load_private_key(target.private_key)
    kind, blob = target.pinned()
    within_s = limits.connect_s if within_s is None else min(within_s, limits.connect_s)
    link = _handshake(target.address, target.port, within_s, first_kind=kind)
    try:
        _compare(target, blob, link.get_remote_server_key().asbytes())
        _sign_in(target, link, key)
        link.set_keepalive(limits.keepalive_s)
    except BaseException:
        link.close()
        raise
    return Connection(target, link, limits)


def scan_host_key(address: str, port: int = 22, *, timeout_s: float = 10.0) -> str:
    """The host key a machine shows, as an OpenSSH public key, for enrolment. Raises GearUnreachable."""
    link = _handshake(address, port, timeout_s, first_kind="ssh-ed25519")
    try:
        key = link.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    finally:
        link.close()


def _handshake(address: str, port: int, timeout_s: float, *, first_kind: str) -> paramiko.Transport:
    link: paramiko.Transport | None = None
    try:
        sock = _dial(address, port, timeout_s)
        link = _Link(sock)
        link.daemon = True
        link.banner_timeout = link.handshake_timeout = link.auth_timeout = timeout_s
        _prefer(link, first_kind)
        link.start_client(timeout=timeout_s)
        if not link.initial_kex_done:  # start_client returns silently when its time is up
            raise TimeoutError(f"no key exchange within {timeout_s:g} s")
        return link
    except (paramiko.SSHException, OSError, EOFError) as error:
        if link is not None:
            link.close()
        raise GearUnreachable(
            f"No SSH connection to {address}:{port}: {error or type(error).__name__}.", context={"host": address}
        ) from error


def _dial(address: str, port: int, timeout_s: float) -> socket.socket:
    sock = socket.create_connection((address, port), timeout=timeout_s)
    # Nagle's delay costs 45 ms on every command: a session is a chain of small packets.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A machine that was cut off is noticed when it acknowledges nothing for so long (the keepalive makes sure that there is
    # something to acknowledge), not when a command's own limit ends: waiting for it would hold a worker's thread.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    os.set_inheritable(sock.fileno(), False)
    return sock


def _prefer(link: paramiko.Transport, first_kind: str) -> None:
    """Ask for the pinned key's type first, so that a host with several keys shows the one we know."""
    options = link.get_security_options()
    known = tuple(options.key_types)
    first = _signatures_of(first_kind, known)
    options.key_types = first + tuple(kind for kind in known if kind not in first)
    ciphers = tuple(options.ciphers)
    fast = tuple(name for name in _CIPHERS if name in ciphers)
    options.ciphers = fast + tuple(name for name in ciphers if name not in fast)


def _signatures_of(kind: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """An RSA key is negotiated by the names of its signatures."""
    wanted = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if kind == "ssh-rsa" else (kind,)
    return tuple(name for name in wanted if name in known)


def _compare(target: SshTarget, pinned: bytes, shown: bytes) -> None:
    if pinned == shown:
        return
    raise HostKeyChanged(
        f"{target.address}:{target.port} shows host key {fingerprint(shown)}, but {fingerprint(pinned)} was pinned when it "
        "was enrolled. If the machine was reinstalled, enrol it again; if not, somebody may be in between.",
        context={"host": target.address, "pinned": fingerprint(pinned), "shown": fingerprint(shown)},
    )


def _sign_in(target: SshTarget, link: paramiko.Transport, key: paramiko.PKey) -> None:
    try:
        link.auth_publickey(target.user, key)
    except paramiko.AuthenticationException as error:
        raise CredentialsRefused(
            f"{target.name} refuses our key {fingerprint(key.asbytes())}; add it to the user's authorized_keys.",
            context={"host": target.address},
        ) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise GearUnreachable(f"{target.name}: the connection broke during sign-in.") from error
