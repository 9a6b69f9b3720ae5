"""The plans to begin with, the ladder of Joyent's Accelerators: from $199 a year for 1/4 GiB to $4,000 a month for 32 GiB up."""

from __future__ import annotations

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# slug, name, memory MiB, processors, disk GiB, processes, $ a month, $ a year
LADDER = [
    ("zone-256m", "1/4 GiB", 256, "1", 5, 256, "19.90", "199.00"),
    ("zone-512m", "1/2 GiB", 512, "1", 10, 512, "45.00", "450.00"),
    ("zone-1g", "1 GiB", 1024, "1", 15, 512, "125.00", "1250.00"),
    ("zone-2g", "2 GiB", 2048, "2", 30, 1024, "250.00", "2500.00"),
    ("zone-4g", "4 GiB", 4096, "2", 60, 1024, "500.00", "5000.00"),
    ("zone-8g", "8 GiB", 8192, "4", 120, 2048, "1000.00", "10000.00"),
    ("zone-16g", "16 GiB", 16384, "8", 240, 4096, "2000.00", "20000.00"),
    ("zone-32g", "32 GiB", 32768, "16", 480, 8192, "4000.00", "40000.00"),
    ("zone-64g", "64 GiB", 65536, "32", 960, 16384, "8000.00", "80000.00"),
]
HOURS_A_MONTH = Decimal(730)


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write the ladder; plans that an operator made under the same slug stay."""
    plan = apps.get_model("accelerators", "Plan")
    for position, (slug, name, memory, vcpus, disk, processes, monthly, yearly) in enumerate(LADDER):
        hourly = (Decimal(monthly) / HOURS_A_MONTH).quantize(Decimal("0.0001"))
        plan.objects.get_or_create(
            slug=slug,
            defaults={
                "name": f"Accelerator {name}", "kind": "zone", "memory_mib": memory, "vcpus": Decimal(vcpus),
                "disk_gib": disk, "processes": processes, "price_hourly": hourly, "price_monthly": Decimal(monthly),
                "price_yearly": Decimal(yearly), "position": position,
            },
        )  # fmt: skip


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [("accelerators", "0001_initial")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
