"""Change what needs no machine: name, tags, metadata, protection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accelerators.errors import NameTaken, WrongState
from accelerators.models import Accelerator, Tag
from accelerators.planning.names import GRAMMAR, well_formed
from accelerators.services.act import lock
from accelerators.services.wish import metadata_fault, tag_fault
from accelerators.states import State
from accounts.actor import Actor
from mcp.errors import FieldError, InvalidInput, PreconditionFailed
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields that are None stay as they are."""

    name: str | None = None
    tags: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] | None = None
    protected: bool | None = None


def edit_accelerator(*, actor: Actor, accelerator_id: UUID, edit: Edit, revision: int | None = None) -> Accelerator:
    """Apply an edit; a new name reaches the guest's host name at its next start.

    Raises InvalidInput, NameTaken, PreconditionFailed (`revision` is not the present one), WrongState, NotFound, Forbidden.
    """
    actor.demand("accelerators.write")
    _check(edit)
    with transaction.atomic():
        row = lock(accelerator_id, actor)
        if row.state == State.DELETED:
            raise WrongState(f"{row.name} is deleted.")
        if revision is not None and revision != row.revision:
            raise PreconditionFailed(f"{row.name} has changed since you read it (revision {row.revision}); read it again.")
        changes = _apply(row, edit)
        if changes:
            row.revision += 1
            _save(row)
            _note(actor, row, changes)
    return row


def _check(edit: Edit) -> None:
    faults = [
        FieldError("name", "malformed", f"{GRAMMAR}.") if edit.name is not None and not well_formed(edit.name) else None,
        tag_fault(edit.tags) if edit.tags is not None else None,
        metadata_fault(edit.metadata) if edit.metadata is not None else None,
    ]
    errors = [fault for fault in faults if fault is not None]
    if errors:
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)


def _apply(row: Accelerator, edit: Edit) -> dict[str, list[Any]]:
    changes: dict[str, list[Any]] = {}
    for field in ("name", "metadata", "protected"):
        after = getattr(edit, field)
        before = getattr(row, field)
        if after is not None and after != before:
            changes[field] = [before, after]
            setattr(row, field, after)
    if edit.tags is not None:
        before = dict(row.tag_rows.values_list("key", "value"))
        if before != dict(edit.tags):
            changes["tags"] = [before, dict(edit.tags)]
            row.tag_rows.all().delete()
            Tag.objects.bulk_create(Tag(accelerator=row, key=k, value=v) for k, v in edit.tags.items())
    return changes


def _save(row: Accelerator) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=["name", "metadata", "protected", "revision"])
    except IntegrityError as exc:
        raise NameTaken(f"name: the account has an accelerator {row.name!r} already; choose another name.") from exc


def _note(actor: Actor, row: Accelerator, changes: dict[str, list[Any]]) -> None:
    shown = {name: pair for name, pair in changes.items() if name != "metadata"}
    emit(
        "accelerator.edited", f"Changed: {', '.join(sorted(changes))}.", target_type="accelerator", target_id=row.pk,
        target_name=row.name, account_id=row.account_id, actor=actor.label,
    )  # fmt: skip
    audit(
        "accelerator.edit", actor=actor.label, source=actor.source, account_id=row.account_id,
        target_type="accelerator", target_id=row.pk, target_name=row.name, changes=shown,
    )  # fmt: skip
