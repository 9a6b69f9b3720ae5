"""Members and roles; an account never loses its last owner."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from accounts.actor import Actor, system
from accounts.models import Account, ApiKey, Membership
from accounts.permissions import PERMISSIONS, Role
from accounts.services.api_keys import find_live
from accounts.services.members import add_member, change_role, remove_member
from accounts.testing import actor_with, make_account, make_key, make_person
from mcp.errors import Conflict, ControlPlaneError, Forbidden, InvalidInput, LimitExceeded, NotFound
from mcp.events.models import AuditEntry


def member(account: Account, username: str, role: str) -> Membership:
    return Membership.objects.create(account=account, user=make_person(username), role=role)


@pytest.mark.django_db
def test_join_change_leave(account: Account, actor: Actor) -> None:
    make_person("ada")
    row = add_member(actor=actor, account=account, username="ada", role="viewer")
    with pytest.raises(Conflict, match="member already"):
        add_member(actor=actor, account=account, username="ada", role="owner")
    assert change_role(actor=actor, row=row, role="owner").role == "owner"
    remove_member(actor=actor, row=row)
    assert not Membership.objects.filter(user__username="ada").exists()
    actions = AuditEntry.objects.order_by("id").values_list("action", "target_name")
    assert list(actions) == [("member.add", "ada"), ("member.role", "ada"), ("member.remove", "ada")]


@pytest.mark.django_db
def test_the_last_owner_stays(account: Account, actor: Actor) -> None:
    only = Membership.objects.get(role="owner")
    for role in ("admin", "viewer"):
        with pytest.raises(Conflict, match="at least one owner"):
            change_role(actor=actor, row=only, role=role)
    with pytest.raises(Conflict, match="at least one owner"):
        remove_member(actor=system(), row=only)
    assert change_role(actor=actor, row=only, role="owner").role == "owner"
    second = member(account, "ada", "owner")
    remove_member(actor=actor, row=only)
    with pytest.raises(Conflict, match="at least one owner"):
        remove_member(actor=system(), row=second)


@pytest.mark.django_db
def test_what_counts_is_the_role_now_not_the_one_that_was_read_before(account: Account, actor: Actor) -> None:
    first = Membership.objects.get(role="owner")
    read_early = Membership.objects.get(pk=member(account, "ada", "viewer").pk)
    ada = change_role(actor=actor, row=Membership.objects.get(pk=read_early.pk), role="owner")
    remove_member(actor=actor, row=first)
    with pytest.raises(Conflict, match="at least one owner"):
        remove_member(actor=system(), row=read_early)
    with pytest.raises(Conflict, match="at least one owner"):
        change_role(actor=system(), row=read_early, role="viewer")
    assert Membership.objects.get(account=account, role="owner").pk == ada.pk


@pytest.mark.django_db
def test_an_administrator_cannot_take_what_became_an_owner_meanwhile(account: Account, actor: Actor) -> None:
    make_key(account)
    admin = actor_with(make_key(account, Role.ADMIN))
    read_early = Membership.objects.get(pk=member(account, "ada", "viewer").pk)
    change_role(actor=actor, row=Membership.objects.get(pk=read_early.pk), role="owner")
    with pytest.raises(Forbidden, match="ask an owner"):
        remove_member(actor=admin, row=read_early)
    with pytest.raises(Forbidden, match="ask an owner"):
        change_role(actor=admin, row=read_early, role="viewer")


@pytest.mark.django_db
def test_who_left_meanwhile_is_no_member(account: Account, actor: Actor) -> None:
    read_early = Membership.objects.get(pk=member(account, "ada", "viewer").pk)
    remove_member(actor=actor, row=Membership.objects.get(pk=read_early.pk))
    with pytest.raises(NotFound):
        remove_member(actor=actor, row=read_early)
    with pytest.raises(NotFound):
        change_role(actor=actor, row=read_early, role="admin")
    assert not Membership.objects.filter(user__username="ada").exists()


@pytest.mark.django_db
def test_an_owner_elsewhere_is_no_owner_here(account: Account, actor: Actor) -> None:
    member(make_account("other"), "ada", "owner")
    with pytest.raises(Conflict):
        remove_member(actor=actor, row=Membership.objects.get(account=account))


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("maker", [Role.OWNER, Role.ADMIN])
def test_nobody_gives_or_takes_more_than_they_have(account: Account, maker: Role, role: Role) -> None:
    make_key(account)
    actor = actor_with(make_key(account, maker))
    make_person("ada")
    if PERMISSIONS[role] <= PERMISSIONS[maker]:
        remove_member(actor=actor, row=add_member(actor=actor, account=account, username="ada", role=role))
        return
    with pytest.raises(Forbidden, match="ask an owner"):
        add_member(actor=actor, account=account, username="ada", role=role)
    row = member(account, "ada", role)
    for take in (lambda: change_role(actor=actor, row=row, role="viewer"), lambda: remove_member(actor=actor, row=row)):
        with pytest.raises(Forbidden):
            take()
    weak = member(account, "bob", "viewer")
    with pytest.raises(Forbidden):
        change_role(actor=actor, row=weak, role=role)


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.BILLING, Role.VIEWER])
def test_who_may_not_manage(account: Account, role: Role) -> None:
    actor = actor_with(make_key(account, role))
    make_person("ada")
    with pytest.raises(Forbidden):
        add_member(actor=actor, account=account, username="ada", role="viewer")


@pytest.mark.django_db
def test_unknown_people_roles_and_limits(account: Account, actor: Actor) -> None:
    for username, role, field in (("nobody", "viewer", "username"), ("", "viewer", "username"), ("ada", "root", "role")):
        with pytest.raises(InvalidInput) as refused:
            add_member(actor=actor, account=account, username=username, role=role)
        assert refused.value.errors[0].field == field
    gone = make_person("gone")
    gone.is_active = False
    gone.save()
    with pytest.raises(InvalidInput):
        add_member(actor=actor, account=account, username="gone", role="viewer")
    account.limit_rows.create(resource="members", limit=1)
    make_person("ada")
    with pytest.raises(LimitExceeded):
        add_member(actor=actor, account=account, username="ada", role="viewer")


@pytest.mark.django_db
def test_keys_end_with_the_right_to_make_them(account: Account, actor: Actor) -> None:
    strong, weak = make_key(account, "admin", username="ada"), make_key(account, "viewer", username="ada")
    elsewhere = make_key(make_account("other"), "owner", username="ada")
    row = Membership.objects.get(user__username="ada", account=account)
    change_role(actor=actor, row=row, role="operator")
    assert (find_live(strong), bool(find_live(weak)), bool(find_live(elsewhere))) == (None, True, True)
    remove_member(actor=actor, row=row)
    assert (find_live(weak), bool(find_live(elsewhere))) == (None, True)
    assert not ApiKey.objects.filter(account=account, user__username="ada").exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one(on_postgres: None) -> None:
    account = make_account()
    rows = [member(account, name, "owner") for name in ("ada", "bob")]
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def leave(row: Membership) -> None:
        try:
            barrier.wait(20)
            remove_member(actor=system(), row=row)
            outcomes.append("removed")
        except ControlPlaneError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["removed", "state.conflict"]
    assert Membership.objects.filter(account=account, role="owner").count() == 1
