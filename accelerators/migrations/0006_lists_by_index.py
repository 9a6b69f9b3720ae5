from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accelerators", "0005_moving_state"),
        ("accounts", "0001_initial"),
        ("pods", "0006_lists_by_index"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(
                condition=models.Q(("state", "running"), _negated=True),
                fields=["state", "-created_at", "-id"],
                name="accelerator_not_running",
            ),
        ),
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(
                condition=models.Q(("power_observed", "running"), _negated=True),
                fields=["power_observed", "-created_at", "-id"],
                name="accelerator_not_seen_running",
            ),
        ),
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(fields=["pod", "-created_at", "-id"], name="accelerator_newest_in_pod"),
        ),
        migrations.AddIndex(
            model_name="accelerator",
            index=models.Index(fields=["name"], name="accelerator_by_name", opclasses=["varchar_pattern_ops"]),
        ),
    ]
