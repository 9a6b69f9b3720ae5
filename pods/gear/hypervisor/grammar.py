"""The grammar of every value that reaches a machine. Text from customers never passes unchecked into a configuration."""

from __future__ import annotations

import ipaddress
import re
import uuid

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import GuestSpec, ImageRef, Limits, Nic

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(_LABEL)
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
BRIDGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}")
_KEY_PART = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SSH_KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\x00-\x1f\x7f]*)?")

MAX_UID_SLOT = 15_000  # base 1,000,000 + 65,536 a slot stays below 1,000,000,000
MAX_SCRIPT_BYTES = 64 * 1024
MAX_KEYS = 256


def check_guest_id(guest_id: str) -> str:
    """The id itself, if it is a canonical UUID. Raises GearRefused."""
    try:
        canonical = str(uuid.UUID(guest_id)) == guest_id
    except (ValueError, AttributeError, TypeError):
        canonical = False
    _require(canonical, "guest_id", "must be a lower-case UUID")
    return guest_id


def check_image_key(key: str) -> str:
    """The key itself, if it can name a file. Raises GearRefused."""
    _require(bool(_KEY_PART.fullmatch(key)) and ".." not in key and len(key) <= 128, "image", "is no image key")
    return key


def check_image(image: ImageRef) -> ImageRef:
    """The image itself, if its key and checksum are well formed. Raises GearRefused."""
    check_image_key(image.key)
    _require(bool(_SHA256.fullmatch(image.sha256)), "image.sha256", "must be 64 lower-case hexadecimal digits")
    _require(image.size_bytes > 0, "image.size_bytes", "must be above zero")
    return image


def check_limits(limits: Limits) -> Limits:
    """The limits themselves, if a machine can hold them. Raises GearRefused."""
    _require(8 <= limits.memory_mib <= 2**24, "limits.memory_mib", "must lie between 8 and 16777216")
    _require(0.01 <= limits.vcpus <= 4096, "limits.vcpus", "must lie between 0.01 and 4096")
    _require(0.01 <= limits.disk_gib <= 2**20, "limits.disk_gib", "must lie between 0.01 and 1048576")
    _require(8 <= limits.processes <= 2**22, "limits.processes", "must lie between 8 and 4194304")
    return limits


def check_spec(spec: GuestSpec) -> GuestSpec:
    """The spec itself, if every field passes. Raises GearRefused naming the field."""
    check_guest_id(spec.guest_id)
    check_image(spec.image)
    check_limits(spec.limits)
    _require(bool(_HOSTNAME.fullmatch(spec.hostname)), "hostname", "must be one DNS label in lower case")
    _require(0 <= spec.uid_slot <= MAX_UID_SLOT, "uid_slot", f"must lie between 0 and {MAX_UID_SLOT}")
    for nic in spec.nics:
        _check_nic(nic)
    for resolver in spec.resolvers:
        _check_address(resolver, "resolvers")
    _require(not spec.search_domain or bool(_DOMAIN.fullmatch(spec.search_domain)), "search_domain", "is no domain name")
    _check_keys(spec.ssh_keys)
    _require(len(spec.user_script.encode()) <= MAX_SCRIPT_BYTES, "user_script", "must not exceed 64 KiB")
    _require("\0" not in spec.user_script, "user_script", "must not hold a NUL byte")
    return spec


def _check_keys(keys: tuple[str, ...]) -> None:
    _require(len(keys) <= MAX_KEYS, "ssh_keys", f"must not be more than {MAX_KEYS}")
    for key in keys:
        _require(
            bool(_SSH_KEY.fullmatch(key)) and len(key) <= 16_384,
            "ssh_keys",
            "must be OpenSSH public keys, one line each",
        )


def _check_nic(nic: Nic) -> None:
    _require(bool(_MAC.fullmatch(nic.mac)), "nics.mac", "must be six lower-case hexadecimal pairs")
    _require(int(nic.mac[:2], 16) & 3 == 2, "nics.mac", "must be locally administered and unicast")
    _require(bool(BRIDGE.fullmatch(nic.bridge)), "nics.bridge", "is no interface name")
    _require(0 < nic.prefix_length <= 32, "nics.prefix_length", "must lie between 1 and 32")
    _check_address(nic.address, "nics.address")
    if nic.gateway is not None:
        _check_address(nic.gateway, "nics.gateway")


def _check_address(text: str, field: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise GearRefused(f"{field}: {text!r} is no IPv4 address.") from None


def _require(right: bool, field: str, rule: str) -> None:
    if not right:
        raise GearRefused(f"{field} {rule}.", context={"field": field})
