"""Keys for programs. Only a hash is stored; the key is shown once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from accounts.models.user import User
from accounts.permissions import Role
from mcp.ids import new_id


class ApiKey(models.Model):
    """`account` is empty for an operator's key. `scopes` can only narrow what `role` allows.

    The key has 256 random bits, so a plain SHA-256 is a sound hash for it: there is nothing to guess (unlike a password).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=64)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.OWNER)
    scopes = models.JSONField(
        default=list, blank=True, help_text="Permissions such as accelerators.read; * means all of the role."
    )
    prefix = models.CharField(max_length=16, help_text="The beginning of the key, to recognise it by.")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="api_key_newest"),
            models.Index(fields=["prefix"], name="api_key_by_prefix"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "name"], condition=models.Q(revoked_at__isnull=True), name="one_live_key_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_operator(self) -> bool:
        """Whether it belongs to the installation's operators rather than to an account."""
        return self.account_id is None
