"""The page that makes accelerators: price, errors beside their fields, and never two for one form."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accelerators.models import Accelerator
from accelerators.testing.world import World, make_world
from accounts.models import AccountLimit, SshKey
from mcp.operations.models import Operation
from mcp.secrets import unseal
from mcp.testing.web import HTMX, hidden, text_of
from mcp.web.models import FormToken
from pods.models import Allocation

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl laptop"
URL = "/accelerators/new/"


def filled(owner: Client, **changes: Any) -> dict[str, Any]:
    """What a browser would send after opening the form."""
    token = hidden(owner.get(URL), "token")
    return {"name": "web", "count": "1", "plan": "zone-256m", "image": "busybox", "token": token, **changes}


def test_the_form_opens_with_the_cheapest_plan_its_price_and_every_key(world: World, owner: Client) -> None:
    SshKey.objects.create(account=world.account, name="laptop", public_key="ssh-ed25519 A", fingerprint="f")
    page = owner.get(URL)
    words = text_of(page)
    assert "$19.90 a month" in words
    assert "There is room for it" in words
    assert page.context["form"]["ssh_keys"].value() == [str(SshKey.objects.get().pk)]


def test_creating_one_leads_to_its_page(owner: Client, world: World) -> None:
    answer = owner.post(
        URL, filled(owner, user_script="#!/bin/sh\r\ntrue\r\n", tags="role=web\nlonely", protected="on", new_key=KEY)
    )
    row = Accelerator.objects.get()
    assert answer["Location"] == f"/accelerators/{row.pk}/"
    assert dict(row.tag_rows.values_list("key", "value")) == {"role": "web", "lonely": ""}
    assert row.protected
    assert unseal(row.sealed_user_script) == "#!/bin/sh\ntrue\n"
    assert row.ssh_keys == [KEY.removesuffix(" laptop")]
    assert SshKey.objects.get(account=world.account).name == "laptop"


def test_without_any_key_ticked_none_is_let_in(world: World, owner: Client) -> None:
    SshKey.objects.create(account=world.account, name="laptop", public_key="ssh-ed25519 A", fingerprint="f")
    owner.post(URL, filled(owner))
    assert Accelerator.objects.get().ssh_keys == []


def test_several_lead_to_the_list(owner: Client) -> None:
    assert owner.post(URL, filled(owner, count="3"))["Location"] == "/"
    assert sorted(Accelerator.objects.values_list("name", flat=True)) == ["web-1", "web-2", "web-3"]


def test_the_same_form_again_makes_none_and_shows_the_first(owner: Client) -> None:
    form = filled(owner)
    first = owner.post(URL, form)
    second = owner.post(URL, form)
    assert second["Location"] == first["Location"]
    assert Accelerator.objects.count() == 1
    assert "Nothing was made twice" in text_of(owner.get(second["Location"]))


def test_a_refused_form_may_be_mended_and_sent_again(owner: Client) -> None:
    form = filled(owner, name="Bad Name")
    assert owner.post(URL, form).status_code == 400
    assert not FormToken.objects.exists()
    assert owner.post(URL, form | {"name": "good"}).status_code == 302


def test_somebody_elses_token_is_of_no_use(owner: Client, world: World) -> None:
    form = filled(owner)
    owner.post(URL, form)
    other = make_world(cidr="10.98.0.0/24")
    thief = Client()
    thief.force_login(other.user)
    answer = thief.post(URL, form)
    assert answer.status_code == 400
    assert "somebody else" in text_of(answer)
    assert not Accelerator.objects.filter(account=other.account).exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("name", "9lives", "beginning with a letter"), ("name", "", "required"), ("count", "101", "100"),
     ("count", "x", "whole number"),
     ("plan", "huge", "not one of"), ("image", "windows", "not one of"), ("pod", "mars", "not one of"),
     ("user_script", "echo hi", "#!"), ("tags", "=x", "no key"), ("tags", "a=1\na=2", "twice"), ("tags", "ä=1", "keys have"),
     ("new_key", "ssh-ed25519 non sense", "base64"), ("new_key", "-----BEGIN OPENSSH PRIVATE KEY-----", "private key")],
)  # fmt: skip
def test_each_fault_stands_beside_its_field_and_the_rest_is_kept(owner: Client, field: str, value: str, words: str) -> None:
    answer = owner.post(URL, filled(owner, **{"name": "keepme", field: value}))
    assert answer.status_code == 400
    assert words in " ".join(answer.context["form"].errors[field])
    if field != "name":
        assert 'value="keepme"' in answer.content.decode()
    assert not Accelerator.objects.exists()
    assert not SshKey.objects.exists()


def test_a_taken_name_is_told_at_the_name(owner: Client, world: World) -> None:
    world.create("web")
    answer = owner.post(URL, filled(owner))
    assert answer.status_code == 400
    assert "already" in answer.context["form"].errors["name"][0]


def test_what_cannot_fit_says_what_is_short_and_keeps_nothing(owner: Client, world: World) -> None:
    AccountLimit.objects.create(account=world.account, resource="accelerators", limit=None)
    answer = owner.post(URL, filled(owner, plan="zone-64g", count="1", new_key=KEY))
    assert answer.status_code == 400
    assert "hosts" in " ".join(answer.context["form"].non_field_errors())
    assert not SshKey.objects.exists(), "the pasted key went with the rest"


def test_the_price_panel_rehearses_and_leaves_nothing(owner: Client) -> None:
    data = {"plan": "zone-256m", "image": "busybox", "count": "4", "name": "Not Valid Yet"}
    words = text_of(owner.post(f"{URL}price/", data, headers=HTMX))
    assert "$79.60 a month" in words
    assert "all 4" in words
    assert "4 of 100" in words
    assert not any(model.objects.exists() for model in (Accelerator, Operation, Allocation))


def test_the_price_panel_says_when_a_limit_is_in_the_way(owner: Client, world: World) -> None:
    AccountLimit.objects.create(account=world.account, resource="accelerators", limit=2)
    words = text_of(owner.post(f"{URL}price/", {"plan": "zone-256m", "image": "busybox", "count": "3"}, headers=HTMX))
    assert "0 of 2 used, 3 asked" in words


@pytest.mark.parametrize("count", ["", "-5", "1e9", "NaN", "Infinity", "x"])
def test_the_price_panel_stands_any_count(owner: Client, count: str) -> None:
    answer = owner.post(f"{URL}price/", {"plan": "zone-256m", "image": "busybox", "count": count}, headers=HTMX)
    assert answer.status_code == 200


def test_the_price_without_script_is_a_button(owner: Client) -> None:
    answer = owner.post(URL, filled(owner, count="2", name="half", price="1"))
    assert answer.status_code == 200
    assert "$39.80" in text_of(answer)
    assert 'value="half"' in answer.content.decode()
    assert not Accelerator.objects.exists()


def test_a_viewer_is_refused(viewer: Client) -> None:
    assert viewer.get(URL).status_code == 403
    assert viewer.post(URL, {"name": "x", "token": uuid4()}).status_code == 403
    assert viewer.post(f"{URL}price/", {"plan": "zone-256m"}).status_code == 403
