"""Errors of pods, placement and addresses."""

from __future__ import annotations

from mcp.errors import Conflict, ControlPlaneError, InvalidInput, Retry


class CapacityExhausted(Conflict):
    """No host has room for what was asked; `context['placement']` says which masks removed how many hosts."""

    code = "placement.capacity_exhausted"
    title = "There is no room for this"


class PlacementContended(ControlPlaneError):
    """There was room, but others took it while we looked; asking again at once is sensible."""

    code = "placement.contended"
    title = "Others are asking for the same room"
    status = 503
    retry = Retry.LATER


class NotLending(Conflict):
    """A preemptible accelerator cannot start: its host lends no idle room now; `context['lends_at']` tells when it does."""

    code = "placement.not_lending"
    title = "Its host lends no idle room now"
    retry = Retry.LATER


class NoIdleRoom(Conflict):
    """A preemptible accelerator cannot start: its host lends idle room and has none left; `context['short']` tells of what."""

    code = "placement.no_idle_room"
    title = "Its host has no idle room now"
    retry = Retry.LATER


class RoomNotLeft(Conflict):
    """The accelerators that were to make room did not leave in time."""

    code = "placement.room_not_left"
    title = "The room did not come free in time"


class AddressesExhausted(Conflict):
    """The pod's network has no address to give."""

    code = "network.addresses_exhausted"
    title = "The network has no free address"


class HostUnusable(InvalidInput):
    """A probe found that a host cannot run guests; the message names each thing that is missing and its package."""

    code = "host.unusable"
    title = "The host lacks something that guests need"


class HostBusy(Conflict):
    """The host still holds guests."""

    code = "host.busy"
    title = "The host still holds guests"


class ImageUnavailable(InvalidInput):
    """No active image of that name."""

    code = "image.unavailable"
    title = "There is no such image"
