"""Changing name, tags, metadata and protection; plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accelerators.errors import NameTaken, WrongState
from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.edit import Edit, edit_accelerator
from accelerators.services.power import restart
from accelerators.testing.world import World, make_world
from mcp.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed
from mcp.events.models import AuditEntry, Event
from mcp.testing.drain import drain

pytestmark = pytest.mark.django_db


def change(world: World, row: Accelerator, revision: int | None = None, **fields: Any) -> Accelerator:
    return edit_accelerator(actor=world.actor, accelerator_id=row.pk, edit=Edit(**fields), revision=revision)


def test_only_what_is_given_changes(world: World) -> None:
    row = world.create(tags={"a": "1"}, metadata={"m": "x"}).accelerators[0]
    changed = change(world, row, name="db", tags={"b": ""})
    assert (changed.name, changed.metadata, changed.protected) == ("db", {"m": "x"}, False)
    assert dict(changed.tag_rows.values_list("key", "value")) == {"b": ""}
    assert changed.revision == row.revision + 1
    entry = AuditEntry.objects.get(action="accelerator.edit")
    assert entry.changes == {"name": ["web", "db"], "tags": [{"a": "1"}, {"b": ""}]}
    assert Event.objects.get(kind="accelerator.edited").message == "Changed: name, tags."


def test_nothing_new_is_no_change(world: World) -> None:
    row = world.create(tags={"a": "1"}, metadata={"m": "x"}).accelerators[0]
    assert change(world, row, name="web", tags={"a": "1"}, metadata={"m": "x"}, protected=False).revision == row.revision
    assert change(world, row).revision == row.revision
    assert not Event.objects.filter(kind="accelerator.edited").exists()


def test_emptying_is_not_leaving_alone(world: World) -> None:
    row = world.create(tags={"a": "1"}, metadata={"m": "x"}, protected=True).accelerators[0]
    changed = change(world, row, tags={}, metadata={}, protected=False)
    assert (dict(changed.tag_rows.values_list("key", "value")), changed.metadata, changed.protected) == ({}, {}, False)


def test_metadata_is_not_copied_into_the_audit_trail(world: World) -> None:
    row = world.create().accelerators[0]
    change(world, row, metadata={"token": "s3cret"})
    assert "s3cret" not in str(AuditEntry.objects.get(action="accelerator.edit").changes)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "Web"}, "name"), ({"name": ""}, "name"), ({"name": "a\n"}, "name"), ({"tags": {"a b": ""}}, "tags"),
        ({"tags": {"a": "\x00"}}, "tags"), ({"metadata": {"a": 1}}, "metadata"),
    ],
)  # fmt: skip
def test_bad_values_name_their_field(world: World, fields: dict[str, Any], field: str) -> None:
    row = world.create().accelerators[0]
    with pytest.raises(InvalidInput) as refused:
        change(world, row, **fields)
    assert [error.field for error in refused.value.errors] == [field]


def test_a_taken_name(world: World) -> None:
    row, other = world.create("web").accelerators[0], world.create("db").accelerators[0]
    with pytest.raises(NameTaken):
        change(world, row, name="db", tags={"x": "y"})
    assert not row.tag_rows.exists()  # nothing of a refused edit stays
    delete(actor=world.actor, accelerator_id=other.pk)
    drain()
    assert change(world, row, name="db").name == "db"


def test_an_older_revision_is_refused(world: World) -> None:
    row = world.create().accelerators[0]
    assert change(world, row, revision=row.revision, name="one").revision == row.revision + 1
    with pytest.raises(PreconditionFailed, match="read it again"):
        change(world, row, revision=row.revision, name="two")
    assert Accelerator.objects.get().name == "one"


def test_a_new_name_reaches_the_guest_at_its_next_start(world: World) -> None:
    row = world.running()
    assert row.host is not None
    change(world, row, name="db")
    restart(actor=world.actor, accelerator_id=row.pk)
    drain()
    assert world.host(row.host.name).state().guests[f"mcp-{row.pk}"].hostname == "db"


def test_deleted_others_and_readers(world: World) -> None:
    row = world.create().accelerators[0]
    with pytest.raises(NotFound):
        change(make_world(cidr="10.97.0.0/24"), row, name="x")
    for actor in (replace(world.actor, role="viewer"), replace(world.actor, scopes=("read",))):
        with pytest.raises(Forbidden):
            edit_accelerator(actor=actor, accelerator_id=row.pk, edit=Edit(name="x"))
    delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    with pytest.raises(WrongState, match="deleted"):
        change(world, row, name="x")
