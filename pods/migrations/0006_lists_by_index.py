from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pods", "0005_moves_and_maintenance"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(fields=["-created_at", "-id"], name="allocation_newest"),
        ),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(fields=["pod", "-created_at", "-id"], name="allocation_newest_in_pod"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["-last_seen_at", "-id"], name="finding_newest"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["first_seen_at", "id"], name="finding_oldest"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["state", "-last_seen_at", "-id"], name="finding_by_state"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["kind", "-last_seen_at", "-id"], name="finding_by_kind"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["target_id"], name="finding_of_target"),
        ),
        migrations.AddIndex(
            model_name="driftfinding",
            index=models.Index(fields=["account_id"], name="finding_of_account"),
        ),
        migrations.AddIndex(
            model_name="host",
            index=models.Index(fields=["name", "id"], name="host_by_name"),
        ),
        migrations.AddIndex(
            model_name="host",
            index=models.Index(fields=["name"], name="host_by_beginning", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="host",
            index=models.Index(fields=["created_at", "id"], name="host_by_age"),
        ),
        migrations.AddIndex(
            model_name="host",
            index=models.Index(fields=["duty", "name", "id"], name="host_by_duty"),
        ),
        migrations.AddIndex(
            model_name="host",
            index=models.Index(condition=models.Q(("reachable", False)), fields=["name", "id"], name="host_silent"),
        ),
    ]
