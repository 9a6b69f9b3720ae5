"""Guests found without the rules that keep their ports honest."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pods", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="driftfinding",
            name="kind",
            field=models.CharField(
                choices=[
                    ("power", "Power"),
                    ("missing", "Missing"),
                    ("unknown_guest", "Unknown Guest"),
                    ("limits", "Limits"),
                    ("unguarded", "Unguarded"),
                ],
                max_length=16,
            ),
        ),
    ]
