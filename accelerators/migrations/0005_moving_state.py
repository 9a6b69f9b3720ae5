"""Accelerators that are being moved."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accelerators", "0004_preemption"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="accelerator",
            name="accelerator_state_is_known",
        ),
        migrations.AlterField(
            model_name="accelerator",
            name="state",
            field=models.CharField(
                choices=[
                    ("provisioning", "Provisioning"),
                    ("running", "Running"),
                    ("stopped", "Stopped"),
                    ("starting", "Starting"),
                    ("stopping", "Stopping"),
                    ("restarting", "Restarting"),
                    ("failed", "Failed"),
                    ("deleting", "Deleting"),
                    ("trashed", "Trashed"),
                    ("restoring", "Restoring"),
                    ("moving", "Moving"),
                    ("deleted", "Deleted"),
                ],
                default="provisioning",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="accelerator",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "provisioning",
                            "running",
                            "stopped",
                            "starting",
                            "stopping",
                            "restarting",
                            "failed",
                            "deleting",
                            "trashed",
                            "restoring",
                            "moving",
                            "deleted",
                        ],
                    )
                ),
                name="accelerator_state_is_known",
            ),
        ),
    ]
