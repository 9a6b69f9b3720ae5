"""What the simulated fleet sells: the ladder of plans with a few beside it, and images."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from accelerators.models import Plan
from pods.models import Image
from pods.placement.request import Need

HOURS_A_MONTH = Decimal(730)
# Older than any image that was built: where there is a real one under the same name, that stays the one which is offered.
LONG_AGO = datetime(2008, 5, 1, tzinfo=UTC)
VERSION = "simulated"  # by which the doctor knows that no file is missing

# slug, kind, memory MiB, processors, disk GiB, processes, $ a month, traits, preemptible, share of what is sold
PLANS: list[tuple[str, str, int, str, int, int, str, list[str], bool, float]] = [
    ("zone-256m", "zone", 256, "1", 5, 256, "19.90", [], False, 18.0),
    ("zone-512m", "zone", 512, "1", 10, 512, "45.00", [], False, 16.0),
    ("zone-1g", "zone", 1024, "1", 15, 512, "125.00", [], False, 18.0),
    ("zone-2g", "zone", 2048, "2", 30, 1024, "250.00", [], False, 15.0),
    ("zone-4g", "zone", 4096, "2", 60, 1024, "500.00", [], False, 10.0),
    ("zone-8g", "zone", 8192, "4", 120, 2048, "1000.00", [], False, 7.0),
    ("zone-16g", "zone", 16384, "8", 240, 4096, "2000.00", [], False, 3.0),
    ("zone-32g", "zone", 32768, "16", 480, 8192, "4000.00", [], False, 1.0),
    ("zone-4g-ssd", "zone", 4096, "2", 60, 1024, "550.00", ["ssd"], False, 4.0),
    ("zone-8g-gpu", "zone", 8192, "4", 120, 2048, "1900.00", ["gpu"], False, 0.6),
    ("zone-1g-spot", "zone", 1024, "1", 15, 512, "40.00", [], True, 4.0),
    ("vm-2g", "vm", 2048, "2", 40, 1024, "270.00", [], False, 4.0),
    ("vm-8g", "vm", 8192, "4", 160, 2048, "1080.00", [], False, 1.5),
]
# slug, kind, os, least memory MiB, traits
IMAGES: list[tuple[str, str, str, int, list[str]]] = [
    ("debian-12", "zone", "Debian 12", 128, []),
    ("debian-12-web", "zone", "Debian 12 with nginx", 256, []),
    ("busybox", "zone", "BusyBox", 16, []),
    ("postgres-16", "zone", "PostgreSQL 16 on Debian 12", 512, []),
    ("debian-12-vm", "vm", "Debian 12", 512, []),
    ("windows-2025", "vm", "Windows Server 2025", 2048, []),
]


@cache
def key_of(image: Image) -> str:
    """The name of its copies on hosts."""
    return image.ref.key


@cache
def need_of(plan: Plan) -> Need:
    """What one guest takes."""
    return plan.need


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Plans with how often each is sold, and images by kind."""

    shares: dict[Plan, float]
    images: dict[str, list[Image]]

    def images_for(self, plan: Plan) -> list[Image]:
        """Those that run on it."""
        return [image for image in self.images[plan.kind] if image.min_memory_mib <= plan.memory_mib]

    @property
    def usual_memory_mib(self) -> float:
        """Of one guest, on average."""
        return sum(plan.memory_mib * share for plan, share in self.shares.items()) / sum(self.shares.values())


def make_catalogue() -> Catalogue:
    """Plans and images, made where they are missing; what is there stays as it is."""
    shares = {_plan(position, line): line[-1] for position, line in enumerate(PLANS)}
    images: dict[str, list[Image]] = {"zone": [], "vm": []}
    for line in IMAGES:
        images[line[1]].append(_image(*line))
    return Catalogue(shares, images)


def _plan(position: int, line: tuple[str, str, int, str, int, int, str, list[str], bool, float]) -> Plan:
    """As on the ladder that every installation begins with; a year costs ten months."""
    slug, kind, memory, vcpus, disk, processes, monthly, traits, preemptible, _ = line
    price = Decimal(monthly)
    return Plan.objects.get_or_create(
        slug=slug,
        defaults={
            "name": f"Accelerator {slug.partition('-')[2]}", "kind": kind, "memory_mib": memory, "vcpus": Decimal(vcpus),
            "disk_gib": disk, "processes": processes, "price_hourly": (price / HOURS_A_MONTH).quantize(Decimal("0.0001")),
            "price_monthly": price, "price_yearly": price * 10, "position": position, "required_traits": traits,
            "preemptible": preemptible,
        },
    )[0]  # fmt: skip


def _image(slug: str, kind: str, os: str, least_memory: int, traits: list[str]) -> Image:
    """Of size 1, which simulated hosts take at its word without a file behind it."""
    return Image.objects.get_or_create(
        slug=slug, version=VERSION,
        defaults={
            "kind": kind, "os": os, "description": "Exists on paper only.", "sha256": slug.encode().hex().ljust(64, "0")[:64],
            "size_bytes": 1, "file": f"{slug}-{VERSION}.tar.zst", "min_memory_mib": least_memory, "required_traits": traits,
            "created_at": LONG_AGO,
        },
    )[0]  # fmt: skip
