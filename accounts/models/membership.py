"""A person's role in an account."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from accounts.models.user import User
from accounts.permissions import Role
from mcp.ids import new_id


class Membership(models.Model):
    """One role a person and account; an account keeps at least one owner (services/members.py)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "user"], name="one_role_an_account")]
        indexes: ClassVar = [
            models.Index(fields=["created_at", "id"], name="membership_by_age"),
            models.Index(fields=["role", "created_at", "id"], name="membership_by_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.account}"
