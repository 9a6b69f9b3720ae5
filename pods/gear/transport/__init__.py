"""Pooled SSH: commands as argument lists, pinned host keys, limits on everything, failures told apart."""

from pods.gear.transport.command import Command, CommandResult, Secret
from pods.gear.transport.connection import scan_host_key
from pods.gear.transport.limits import TransportLimits
from pods.gear.transport.pool import Pool, close_all, shared_pool
from pods.gear.transport.ssh import Output, Runner, SshRunner
from pods.gear.transport.target import SshTarget, fingerprint, load_private_key, parse_public_key

__all__ = [
    "Command",
    "CommandResult",
    "Output",
    "Pool",
    "Runner",
    "Secret",
    "SshRunner",
    "SshTarget",
    "TransportLimits",
    "close_all",
    "fingerprint",
    "load_private_key",
    "parse_public_key",
    "scan_host_key",
    "shared_pool",
]
