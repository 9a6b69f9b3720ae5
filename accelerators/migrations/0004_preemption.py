"""Notices of preemption, plans whose accelerators come back, and two preemptible plans to begin with."""

from __future__ import annotations

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# slug, name, memory MiB, processors, disk GiB, processes, $ a month, $ a year: two fifths of the firm plans' prices
LADDER = [
    ("spot-1g", "1 GiB", 1024, "1", 15, 512, "50.00", "500.00"),
    ("spot-4g", "4 GiB", 4096, "2", 60, 1024, "200.00", "2000.00"),
]
HOURS_A_MONTH = Decimal(730)
FIRST_POSITION = 100


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write them; plans that an operator made under the same slug stay."""
    plan = apps.get_model("accelerators", "Plan")
    for number, (slug, name, memory, vcpus, disk, processes, monthly, yearly) in enumerate(LADDER):
        hourly = (Decimal(monthly) / HOURS_A_MONTH).quantize(Decimal("0.0001"))
        plan.objects.get_or_create(
            slug=slug,
            defaults={
                "name": f"Preemptible {name}", "kind": "zone", "memory_mib": memory, "vcpus": Decimal(vcpus), "disk_gib": disk,
                "processes": processes, "price_hourly": hourly, "price_monthly": Decimal(monthly),
                "price_yearly": Decimal(yearly), "position": FIRST_POSITION + number, "preemptible": True, "comes_back": True,
            },
        )  # fmt: skip


REASONS = [
    ("room", "a firm plan needs its room"),
    ("window", "the hours in which its host lends idle room are over then"),
    ("lending", "its host lends no idle room any more"),
]


class Migration(migrations.Migration):
    """Columns, two partial indexes, and the plans."""

    dependencies = [("accelerators", "0003_placement")]
    operations = [
        migrations.AddField(
            model_name="accelerator",
            name="preempt_at",
            field=models.DateTimeField(
                blank=True, help_text="Under notice: when it will be stopped to give room back.", null=True
            ),
        ),
        migrations.AddField(
            model_name="accelerator",
            name="preempt_reason",
            field=models.CharField(blank=True, choices=REASONS, max_length=8),
        ),
        migrations.AddField(
            model_name="plan",
            name="comes_back",
            field=models.BooleanField(
                default=False, help_text="Preempted accelerators of it start again by themselves when there is idle room."
            ),
        ),
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(
                condition=models.Q(("preempt_at__isnull", False)), fields=["preempt_at"], name="accelerator_under_notice"
            ),
        ),
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(
                condition=models.Q(("preempted_at__isnull", False)), fields=["preempted_at"], name="accelerator_preempted"
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
