"""One accelerator: its page, its buttons, its live part and timeline."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import stop
from accelerators.states import State
from accelerators.testing.world import World, make_world
from mcp.events.services.emit import emit
from mcp.testing.drain import drain
from mcp.testing.web import HTMX, hidden, text_of


def url(row: Accelerator, rest: str = "") -> str:
    return f"/accelerators/{row.pk}/{rest}"


def test_the_page_tells_how_to_log_in_and_what_it_costs(world: World, owner: Client) -> None:
    row = world.running("web", tags={"role": "front"})
    words = text_of(owner.get(url(row)))
    for piece in ("web", "running", "ssh root@10.99.0.2", "256 MiB memory", "1 vCPU", "5 GiB disk", "$19.90 a month", "busybox",
                  "role=front", "Created and running", "nobody can log in"):  # fmt: skip
        assert piece in words, piece


def test_no_page_names_a_host(world: World, owner: Client) -> None:
    row = world.running("web")
    operation = owner.get(url(row)).context["shown"]
    pages = [owner.get(url(row)), owner.get("/"), owner.get("/operations/")]
    assert operation is None, "a settled success is history"
    for page in pages:
        assert row.host is not None
        assert f">{row.host.name}<" not in page.content.decode()


@pytest.mark.parametrize(
    ("state", "offered", "withheld"),
    [("running", {"do-stop", "do-restart", "do-delete"}, {"do-start", "do-restore"}),
     ("stopped", {"do-start", "do-delete"}, {"do-stop", "do-restart", "do-restore"}),
     ("trashed", {"do-restore", "do-delete"}, {"do-start", "do-stop"})],
)  # fmt: skip
def test_buttons_fit_the_state(world: World, owner: Client, state: str, offered: set[str], withheld: set[str]) -> None:
    row = world.running("web")
    if state == "stopped":
        stop(actor=world.actor, accelerator_id=row.pk)
    if state == "trashed":
        delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    body = owner.get(url(row)).content.decode()
    assert all(f'id="{button}"' in body for button in offered)
    assert not any(f'id="{button}"' in body for button in withheld)


def test_stop_and_start_by_plain_forms(world: World, owner: Client) -> None:
    row = world.running("web")
    assert owner.post(url(row, "act/stop/"))["Location"] == url(row)
    assert owner.get(url(row)).context["live"]
    drain()
    row.refresh_from_db()
    assert row.state == State.STOPPED
    owner.post(url(row, "act/start/"))
    drain()
    row.refresh_from_db()
    assert row.state == State.RUNNING


def test_by_htmx_the_answer_is_the_live_part(world: World, owner: Client) -> None:
    row = world.running("web")
    answer = owner.post(url(row, "act/restart/"), headers=HTMX)
    body = answer.content.decode()
    assert 'id="panel"' in body
    assert 'hx-trigger="every 500ms"' in body
    assert "Restarting the accelerator" in body
    seen = answer.context["seen"]
    assert owner.get(url(row, f"panel/?seen={seen}"), headers=HTMX).status_code == 204
    drain()
    after = owner.get(url(row, f"panel/?seen={seen}"), headers=HTMX)
    assert "every 500ms" not in after.content.decode(), "polling ends once it has settled"
    assert after["HX-Trigger-After-Settle"] == "timeline-changed"


def test_a_verb_that_does_not_fit_is_a_page_with_a_way_on(world: World, owner: Client) -> None:
    row = world.running("web")
    answer = owner.post(url(row, "act/start/"))
    assert answer.status_code == 409
    assert "web is running; it cannot be started now" in text_of(answer)
    assert "accelerator.wrong_state" in text_of(answer)
    notice = owner.post(url(row, "act/start/"), headers=HTMX)
    assert notice["HX-Retarget"] == "#notices"
    assert "<html" not in notice.content.decode()


def test_no_other_verb_can_be_named(world: World, owner: Client) -> None:
    assert owner.post(url(world.running("web"), "act/remake/")).status_code == 404


def test_deleting_names_what_is_lost_and_can_be_taken_back(world: World, owner: Client) -> None:
    row = world.running("web")
    words = text_of(owner.get(url(row, "delete/")))
    for piece in ("Delete web?", "disk of 5 GiB", "10.99.0.2", "$19.90 a month", "in the trash for 7 days"):
        assert piece in words, piece
    owner.post(url(row, "delete/"))
    drain()
    row.refresh_from_db()
    assert row.state == State.TRASHED
    assert "It can be restored for another 6 d" in text_of(owner.get(url(row)))
    owner.post(url(row, "act/restore/"))
    drain()
    row.refresh_from_db()
    assert row.state == State.RUNNING


def test_deleted_for_good_answers_410_with_its_last_form(world: World, owner: Client) -> None:
    row = world.running("web")
    owner.post(url(row, "delete/"), {"now": "1"})
    drain()
    answer = owner.get(url(row))
    assert answer.status_code == 410
    assert "10.99.0.2" in text_of(answer)
    assert "It is deleted already" in text_of(owner.get(url(row, "delete/")))


def test_protection_is_a_switch_and_holds(world: World, owner: Client) -> None:
    row = world.running("web")
    owner.post(url(row, "protect/"), {"protected": "on"})
    assert "Remove the protection first" in text_of(owner.get(url(row, "delete/")))
    assert owner.post(url(row, "delete/")).status_code == 409
    owner.post(url(row, "protect/"), {"protected": "off"})
    assert owner.post(url(row, "delete/")).status_code == 302


def test_rename_and_tags(world: World, owner: Client) -> None:
    row = world.running("web", tags={"a": "1"})
    form = {"name": "shop", "tags": "a=2\nb=", "revision": hidden(owner.get(url(row, "edit/")), "revision")}
    assert owner.post(url(row, "edit/"), form).status_code == 302
    row.refresh_from_db()
    assert row.name == "shop"
    assert dict(row.tag_rows.values_list("key", "value")) == {"a": "2", "b": ""}


def test_an_edit_of_an_older_form_is_not_lost_and_does_not_overwrite(world: World, owner: Client) -> None:
    row = world.running("web")
    form = {"name": "mine", "tags": "", "revision": hidden(owner.get(url(row, "edit/")), "revision")}
    owner.post(url(row, "protect/"), {"protected": "on"})
    answer = owner.post(url(row, "edit/"), form)
    assert answer.status_code == 400
    assert "has changed since" in text_of(answer)
    assert 'value="mine"' in answer.content.decode()
    row.refresh_from_db()
    assert row.name == "web"
    assert owner.post(url(row, "edit/"), form | {"revision": hidden(answer, "revision")}).status_code == 302


def test_a_bad_name_is_told_at_the_name(world: World, owner: Client) -> None:
    row = world.running("web")
    answer = owner.post(url(row, "edit/"), {"name": "Ö", "tags": "", "revision": str(row.revision)})
    assert "a-z" in answer.context["form"].errors["name"][0]


def test_the_user_scripts_end_is_on_the_timeline(world: World, owner: Client) -> None:
    row = world.running("web")
    emit(
        "accelerator.first_boot", "The user script failed with exit code 3.", target_type="accelerator", target_id=row.pk,
        account_id=world.account.pk, data={"exit_code": 3, "output": "<b>no such file</b>"},
    )  # fmt: skip
    body = owner.get(url(row)).content.decode()
    assert "exit code 3" in body
    assert "&lt;b&gt;no such file" in body


def test_the_timeline_goes_on_by_key(world: World, owner: Client) -> None:
    row = world.running("web")
    for number in range(40):
        emit("note", f"note {number:02}", target_type="accelerator", target_id=row.pk, account_id=world.account.pk)
    first = owner.get(url(row, "timeline/"))
    more = owner.get(url(row, f"timeline/?cursor={first.context['page'].next}"), headers=HTMX)
    assert "note 39" in text_of(first)
    assert "note 24" in text_of(more)
    assert "note 39" not in text_of(more)
    assert "<html" not in more.content.decode()


def test_a_failed_create_says_why_without_naming_machines(world: World, owner: Client) -> None:
    from pods.gear.errors import GearRefused

    for host in ("h1", "h2"):
        world.host(host).fail_next("create", GearRefused)
    row = world.create("web").accelerators[0]
    drain()
    words = text_of(owner.get(url(row)))
    assert "Nothing of it is left" in words
    assert "Create another one" in words
    assert "h1" not in words
    assert "h2" not in words


def test_a_viewer_sees_no_buttons_and_is_refused_anyway(world: World, viewer: Client) -> None:
    row = world.running("web")
    body = viewer.get(url(row)).content.decode()
    assert "do-stop" not in body
    assert "Rename" not in body
    for rest in ("act/stop/", "delete/", "protect/", "edit/"):
        assert viewer.post(url(row, rest)).status_code == 403, rest
    row.refresh_from_db()
    assert row.state == State.RUNNING


@pytest.mark.parametrize("rest", ["", "panel/", "timeline/", "edit/", "delete/"])
def test_another_accounts_is_not_there(owner: Client, rest: str) -> None:
    theirs = make_world(cidr="10.98.0.0/24").running("theirs")
    assert owner.get(url(theirs, rest)).status_code == 404
    assert owner.get(f"/accelerators/{uuid4()}/{rest}").status_code == 404


@pytest.mark.parametrize("rest", ["act/stop/", "delete/", "protect/", "edit/"])
def test_another_accounts_cannot_be_touched(owner: Client, rest: str) -> None:
    theirs = make_world(cidr="10.98.0.0/24").running("theirs")
    assert owner.post(url(theirs, rest)).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.state, theirs.protected) == (State.RUNNING, False)


def test_what_a_poll_costs(world: World, owner: Client) -> None:
    row = world.create("web").accelerators[0]
    with CaptureQueriesContext(connection) as queries:
        owner.get(url(row, "panel/"), headers=HTMX)
    assert len(queries) == 5, [query["sql"] for query in queries]
