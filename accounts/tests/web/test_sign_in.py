"""Signing in, out, and from one account into another."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Membership, User
from accounts.permissions import Role
from accounts.tests.web.people import PASSWORD, People, make_people
from mcp.testing.web import signed_in, text_of


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def test_everything_wants_a_sign_in_and_brings_back(people: People, client: Client) -> None:
    answer = client.get("/account/limits/")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=/account/limits/"
    answer = client.post("/sign-in/", {"username": people.user.username, "password": PASSWORD, "next": "/account/limits/"})
    assert answer["Location"] == "/account/limits/"


def test_an_address_elsewhere_is_not_followed(people: People, client: Client) -> None:
    answer = client.post("/sign-in/", {"username": people.user.username, "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_a_wrong_password_says_so_and_keeps_the_name(people: People, client: Client) -> None:
    answer = client.post("/sign-in/", {"username": people.user.username, "password": "wrong"})
    assert answer.status_code == 200
    assert "do not match" in text_of(answer)
    assert people.user.username in answer.content.decode()


def test_guessing_is_slowed_down_whatever_the_password(people: People, client: Client, settings: Any) -> None:
    settings.SIGN_IN_TRIES_PER_MINUTE = 3
    for _ in range(3):
        assert client.post("/sign-in/", {"username": people.user.username, "password": "wrong"}).status_code == 200
    answer = client.post("/sign-in/", {"username": people.user.username, "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "Too many tries" in text_of(answer)
    assert "_auth_user_id" not in client.session


def test_many_names_from_one_address_are_slowed_down_too(client: Client, settings: Any, db: None) -> None:
    settings.SIGN_IN_TRIES_PER_MINUTE = 1
    codes = [client.post("/sign-in/", {"username": f"n{number}", "password": "x"}).status_code for number in range(6)]
    assert codes == [200, 200, 200, 200, 429, 429]


def test_sign_out_needs_a_post(people: People) -> None:
    client = signed_in(people.user.username, PASSWORD)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_a_person_without_account_is_told_whom_to_ask(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("nobody", password=PASSWORD))
    assert "not a member of any account" in text_of(client.get("/"))


def test_an_operator_without_account_lands_in_the_console(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("op", password=PASSWORD, is_staff=True))
    assert client.get("/")["Location"] == "/admin/"


def test_switching_between_ones_own_accounts_only(people: People, client: Client) -> None:
    other, strange = make_people(), make_people()
    Membership.objects.create(account=other.account, user=people.user, role=Role.VIEWER)
    client.force_login(people.user)
    assert client.post("/account/switch/", {"account": str(other.account.pk)}).status_code == 302
    assert client.get("/").context["actor"].account_id == other.account.pk
    assert client.post("/account/switch/", {"account": str(strange.account.pk)}).status_code == 404
    assert client.post("/account/switch/", {"account": "rubbish"}).status_code == 404
    assert client.get("/").context["actor"].account_id == other.account.pk


def test_the_console_has_the_same_door(client: Client, db: None) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/sign-in/?next=")


def test_a_customer_at_the_consoles_door_is_told_why(people: People, client: Client) -> None:
    client.force_login(people.user)
    answer = client.get("/admin/", follow=True)
    assert "may not open that page" in text_of(answer)
