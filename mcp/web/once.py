"""Submit a form once: a double click, a reload or the back button makes no second one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from mcp.errors import Conflict
from mcp.web.models import FormToken

KEPT = timedelta(days=2)


def once(*, token: UUID, user_id: UUID, account_id: UUID, effect: Callable[[], str]) -> tuple[str, bool]:
    """Run `effect` in a transaction unless this token was used; answers where to go, and whether it was done just now.

    `effect` answers the URL to go to. What it raises rolls everything back, the token included. Two arrivals at the same
    moment meet at the primary key: the later one waits for the earlier and finds its answer.
    """
    earlier = _answer(token, user_id, account_id)
    if earlier is not None:
        return earlier, False
    try:
        with transaction.atomic():
            row = _take(token, user_id, account_id)
            row.answer = effect()
            row.save(update_fields=["answer"])
    except _Taken:
        earlier = _answer(token, user_id, account_id)
        if earlier is None:
            raise Conflict("This form belongs to somebody else's session; open it anew.") from None
        return earlier, False
    return row.answer, True


class _Taken(Exception):
    """Another arrival of the same form came first."""


def _take(token: UUID, user_id: UUID, account_id: UUID) -> FormToken:
    try:
        with transaction.atomic():
            return FormToken.objects.create(token=token, user_id=user_id, account_id=account_id)
    except IntegrityError as exc:
        raise _Taken from exc


def _answer(token: UUID, user_id: UUID, account_id: UUID) -> str | None:
    return FormToken.objects.filter(token=token, user_id=user_id, account_id=account_id).values_list("answer", flat=True).first()


def forget_old_tokens() -> int:
    """Drop what nobody will send again; repeatable. Answers how many rows went."""
    return FormToken.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
