"""Keys, members and limits on pages: what they show, refuse, and keep apart."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AccountLimit, ApiKey, Membership, SshKey, User
from accounts.permissions import Role
from accounts.services.api_keys import find_live
from accounts.services.ssh_keys import add_ssh_key
from accounts.tests.web.people import PASSWORD, People, make_people
from mcp.testing.web import text_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl laptop"


@pytest.fixture
def owner(people: People, client: Client) -> Client:
    client.force_login(people.user)
    return client


@pytest.fixture
def viewer(people: People) -> Client:
    person = User.objects.create_user("viewer", password=PASSWORD)
    Membership.objects.create(account=people.account, user=person, role=Role.VIEWER)
    client = Client()
    client.force_login(person)
    return client


def test_adding_and_removing_an_ssh_key(people: People, owner: Client) -> None:
    assert "No key yet" in text_of(owner.get("/account/ssh-keys/"))
    assert owner.post("/account/ssh-keys/", {"public_key": KEY}).status_code == 302
    row = SshKey.objects.get(account=people.account)
    page = text_of(owner.get("/account/ssh-keys/"))
    assert "laptop" in page
    assert row.fingerprint in page
    assert owner.post(f"/account/ssh-keys/{row.pk}/remove/").status_code == 302
    assert not SshKey.objects.exists()


def test_a_bad_key_is_explained_beside_its_field_and_kept(owner: Client) -> None:
    answer = owner.post("/account/ssh-keys/", {"public_key": "-----BEGIN OPENSSH PRIVATE KEY-----", "name": "mine"})
    assert answer.status_code == 400
    assert "private key" in answer.context["form"].errors["public_key"][0]
    assert 'value="mine"' in answer.content.decode()


def test_the_same_key_twice_is_one_clear_sentence(owner: Client) -> None:
    owner.post("/account/ssh-keys/", {"public_key": KEY})
    answer = owner.post("/account/ssh-keys/", {"public_key": KEY})
    assert answer.status_code == 400
    assert "already" in text_of(answer)


def test_an_api_key_is_shown_once_and_works(people: People, owner: Client) -> None:
    answer = owner.post("/account/api-keys/", {"name": "ci", "role": "operator", "scopes": ["read"], "expires": "30"})
    key = answer.context["shown"]
    assert key in text_of(answer)
    live = find_live(key)
    assert live is not None
    assert (live.role, live.scopes) == ("operator", ["read"])
    assert live.expires_at is not None
    again = text_of(owner.get("/account/api-keys/"))
    assert key not in again
    assert live.prefix in again
    assert owner.post(f"/account/api-keys/{live.pk}/revoke/").status_code == 302
    assert find_live(key) is None


def test_an_api_key_without_scopes_is_refused_at_the_field(owner: Client) -> None:
    answer = owner.post("/account/api-keys/", {"name": "ci", "role": "viewer"})
    assert answer.status_code == 400
    assert "scopes" in answer.context["form"].errors


def test_members_come_change_and_go(people: People, owner: Client) -> None:
    User.objects.create_user("newcomer", password=PASSWORD)
    assert owner.post("/account/members/", {"username": "newcomer", "role": "viewer"}).status_code == 302
    row = Membership.objects.get(account=people.account, user__username="newcomer")
    assert owner.post(f"/account/members/{row.pk}/role/", {"role": "operator"}).status_code == 302
    row.refresh_from_db()
    assert row.role == "operator"
    assert owner.post(f"/account/members/{row.pk}/remove/").status_code == 302
    assert not Membership.objects.filter(pk=row.pk).exists()


def test_the_last_owner_stays(people: People, owner: Client) -> None:
    row = Membership.objects.get(account=people.account)
    answer = owner.post(f"/account/members/{row.pk}/remove/")
    assert answer.status_code == 409
    assert "at least one owner" in text_of(answer)


def test_an_unknown_person_is_refused_at_the_field(owner: Client) -> None:
    answer = owner.post("/account/members/", {"username": "ghost", "role": "viewer"})
    assert answer.status_code == 400
    assert "ghost" in answer.context["form"].errors["username"][0]


def test_limits_show_use(people: People, owner: Client) -> None:
    add_ssh_key(actor=people.actor, public_key=KEY)
    AccountLimit.objects.create(account=people.account, resource="members", limit=None)
    page = text_of(owner.get("/account/limits/"))
    assert "ssh keys 1 of 50" in page
    assert "0 MiB of 256 GiB" in page
    assert "members no limit 1" in page


def test_a_viewer_sees_no_buttons_and_is_refused_anyway(people: People, viewer: Client) -> None:
    row = add_ssh_key(actor=people.actor, public_key=KEY)
    member = Membership.objects.get(account=people.account, user=people.user)
    assert b"Remove" not in viewer.get("/account/ssh-keys/").content
    assert b"Add the member" not in viewer.get("/account/members/").content
    assert viewer.get("/account/api-keys/").status_code == 403
    assert viewer.post("/account/ssh-keys/", {"public_key": KEY}).status_code == 403
    assert viewer.post(f"/account/ssh-keys/{row.pk}/remove/").status_code == 403
    assert viewer.post("/account/members/", {"username": "x", "role": "viewer"}).status_code == 403
    assert viewer.post(f"/account/members/{member.pk}/remove/").status_code == 403
    assert SshKey.objects.count() == 1


def test_another_accounts_things_are_not_there(owner: Client, people: People) -> None:
    other = make_people()
    key = add_ssh_key(actor=other.actor, public_key=KEY)
    member = Membership.objects.get(account=other.account)
    api = ApiKey.objects.create(account=other.account, user=other.user, name="k", prefix="p", digest="d" * 64)
    for url in (
        f"ssh-keys/{key.pk}/remove",
        f"members/{member.pk}/remove",
        f"members/{member.pk}/role",
        f"api-keys/{api.pk}/revoke",
    ):
        assert owner.post(f"/account/{url}/").status_code == 404, url
    assert "laptop" not in text_of(owner.get("/account/ssh-keys/"))


def test_what_customers_write_is_never_markup(owner: Client, people: People) -> None:
    SshKey.objects.create(account=people.account, name="<script>alert(1)</script>", public_key="k", fingerprint="f")
    body = owner.get("/account/ssh-keys/").content.decode()
    assert "<script>alert" not in body
    assert "&lt;script&gt;alert" in body
