from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["kind", "-created_at", "-id"], name="operation_of_kind"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(
                condition=models.Q(("state", "succeeded"), _negated=True),
                fields=["state", "-created_at", "-id"],
                name="operation_not_succeeded",
            ),
        ),
    ]
