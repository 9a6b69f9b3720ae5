"""Rows of what the operator owns."""

from pods.models.allocation import Allocation
from pods.models.capacity import CapacitySample
from pods.models.drift import DriftFinding
from pods.models.host import Host
from pods.models.image import Image, ImageCopy
from pods.models.maintenance import MaintenanceWindow
from pods.models.moves import Move, MoveRun
from pods.models.network import Address, Network
from pods.models.placement import PlacementWeight, Refusal
from pods.models.pod import Pod

__all__ = [
    "Address", "Allocation", "CapacitySample", "DriftFinding", "Host", "Image", "ImageCopy", "MaintenanceWindow", "Move",
    "MoveRun", "Network", "PlacementWeight", "Pod", "Refusal",
]  # fmt: skip
