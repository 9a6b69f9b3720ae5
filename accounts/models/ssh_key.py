"""Public keys that an account's accelerators let in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.account import Account
from mcp.ids import new_id


class SshKey(models.Model):
    """Parsed and normalised before it is stored (services/ssh_keys.py): type and base64 only; the comment is the name."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="ssh_keys")
    name = models.CharField(max_length=64)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=64, help_text="SHA256:… as ssh-keygen -l prints it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="ssh_key_newest"),
            models.Index(fields=["fingerprint"], name="ssh_key_by_fingerprint"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "name"], name="one_ssh_key_a_name"),
            models.UniqueConstraint(fields=["account", "fingerprint"], name="one_ssh_key_an_account"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint}"
