"""What edits of the operator's rows share: lock, compare, check, save, audit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models, transaction

from accounts.actor import Actor
from mcp.errors import FieldError, Forbidden, InvalidInput
from mcp.events.services.audit import audit

M = TypeVar("M", bound=models.Model)


def change_row(row: M, *, actor: Actor, noun: str, wanted: Mapping[str, Any], clear: Collection[str] = ()) -> M:
    """Write the fields that differ and one audit row; None stays as it is, fields in `clear` become None.

    Answers the row as it is then.

    Raises Forbidden for customers, InvalidInput naming the fields that the model refuses.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    with transaction.atomic():
        locked = type(row)._default_manager.select_for_update().get(pk=row.pk)
        wished = {**{f: v for f, v in wanted.items() if v is not None}, **dict.fromkeys(clear)}
        changes = {f: [getattr(locked, f), v] for f, v in wished.items() if v != getattr(locked, f)}
        for field, (_, after) in changes.items():
            setattr(locked, field, after)
        if changes:
            check_row(locked)
            locked.save(update_fields=list(changes))
            audit(
                f"{noun}.edit", actor=actor.label, source=actor.source, target_type=noun, target_id=str(row.pk),
                target_name=str(locked), changes={name: [str(one) for one in pair] for name, pair in changes.items()},
            )  # fmt: skip
    return locked


def check_row(row: models.Model) -> None:
    """The model's own rules as errors that name fields. Raises InvalidInput."""
    try:
        row.full_clean()
    except ValidationError as exc:
        errors = [FieldError(f, "invalid", " ".join(texts)) for f, texts in exc.message_dict.items()]
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors) from exc
