"""A person who signs in."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models

from mcp.ids import new_id


class User(AbstractUser):
    """Signs in by user name; `is_staff` makes an operator of the whole installation. Roles in accounts are memberships."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta(AbstractUser.Meta):
        ordering: ClassVar = ["username"]
        indexes: ClassVar = [
            models.Index(fields=["email"], name="user_by_email", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["username"], name="user_staff", condition=models.Q(is_staff=True)),
            models.Index(fields=["username"], name="user_inactive", condition=models.Q(is_active=False)),
        ]
