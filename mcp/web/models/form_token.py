"""A form that was sent: its second arrival finds the first one's answer."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class FormToken(models.Model):
    """`token` is drawn when a form is shown. The row is written in the transaction of the change, so a refused form may be
    sent again.
    """

    token = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    account_id = models.UUIDField()
    answer = models.CharField(max_length=500, help_text="Where the first arrival was sent.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return str(self.token)
