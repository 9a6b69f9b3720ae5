from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["created_at", "id"], name="account_by_age"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["-created_at", "-id"], name="api_key_newest"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["prefix"], name="api_key_by_prefix"),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["created_at", "id"], name="membership_by_age"),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["role", "created_at", "id"], name="membership_by_role"),
        ),
        migrations.AddIndex(
            model_name="sshkey",
            index=models.Index(fields=["-created_at", "-id"], name="ssh_key_newest"),
        ),
        migrations.AddIndex(
            model_name="sshkey",
            index=models.Index(fields=["fingerprint"], name="ssh_key_by_fingerprint"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["email"], name="user_by_email", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("is_staff", True)), fields=["username"], name="user_staff"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("is_active", False)), fields=["username"], name="user_inactive"),
        ),
    ]
