"""What a driver may raise. Three families, and nothing else leaves a driver.

- `GearUnreachable`: nothing was done, the machine did not answer. Trying again is safe and sensible.
- `GearRefused`: the machine answered "no". Trying the same again is pointless.
- `GearUnknown`: a change was sent and its outcome is not known (connection lost, time ran out). Observe first.
"""

from __future__ import annotations

from mcp.errors import ControlPlaneError, Retry


class GearError(ControlPlaneError):
    """Base of the driver errors; `context` may name host, command and the end of its output, never secrets."""

    code = "gear.error"
    title = "A machine could not do what was asked"
    status = 502


class GearUnreachable(GearError):
    """The machine did not answer, or was too busy; nothing was changed."""

    code = "gear.unreachable"
    title = "The machine does not answer"
    status = 503
    retry = Retry.LATER


class GearRefused(GearError):
    """The machine answered, and refused for good."""

    code = "gear.refused"
    title = "The machine refused"


class GearUnknown(GearError):
    """A change was sent, and whether it took effect is not known."""

    code = "gear.unknown_outcome"
    title = "It is not known whether the machine did it"
    retry = Retry.OBSERVE


class StaleFence(GearRefused):
    """The host has seen a newer command for this guest; the caller lost its lease and must stop."""

    code = "gear.stale_fence"
    title = "A newer command for this guest has been seen"


class HostKeyChanged(GearRefused):
    """The machine shows another SSH host key than the one pinned at enrolment."""

    code = "gear.host_key_changed"
    title = "The machine's SSH host key has changed"


class CredentialsRefused(GearRefused):
    """The machine refuses our key or user."""

    code = "gear.credentials_refused"
    title = "The machine refuses the key"


class GuestExists(GearRefused):
    """A guest of that name exists on the host and is not ours to touch."""

    code = "gear.guest_exists"
    title = "A foreign guest has that name"


class NoSuchGuest(GearRefused):
    """A verb that needs an existing guest found none."""

    code = "gear.no_such_guest"
    title = "The host has no such guest"


class DiskFull(GearRefused):
    """The host's store has no room."""

    code = "gear.disk_full"
    title = "The host's store is full"


class ImageBroken(GearRefused):
    """The image's bytes do not match the checksum on record, or cannot be unpacked."""

    code = "gear.image_broken"
    title = "The image does not match its checksum"


class CargoDamaged(GearError):
    """What arrived of a guest is not what left its old host; it was thrown away, and is worth sending again."""

    code = "gear.cargo_damaged"
    title = "A guest's copy does not match the original"
    retry = Retry.LATER
