"""The table of roles, written out a second time by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.permissions import ALL_PERMISSIONS, NOUNS, PERMISSIONS, SCOPES, Role, allowed

# o owner, a admin, p operator, b billing, v viewer
TABLE = {
    "account.read": "oapbv", "account.write": "o",
    "members.read": "oapv", "members.write": "oa",
    "ssh_keys.read": "oapv", "ssh_keys.write": "oap",
    "api_keys.read": "oa", "api_keys.write": "oa",
    "limits.read": "oapbv",
    "catalogue.read": "oapbv",
    "accelerators.read": "oapv", "accelerators.write": "oap",
    "operations.read": "oapv", "operations.write": "oap",
    "events.read": "oapbv",
}  # fmt: skip
LETTERS = {Role.OWNER: "o", Role.ADMIN: "a", Role.OPERATOR: "p", Role.BILLING: "b", Role.VIEWER: "v"}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == ALL_PERMISSIONS
    assert {name.split(".")[0] for name in TABLE} == set(NOUNS)
    assert set(LETTERS) == set(Role) == set(PERMISSIONS)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", sorted(TABLE))
def test_each_role_and_permission(role: Role, permission: str) -> None:
    may = LETTERS[role] in TABLE[permission]
    reads = permission.endswith(".read")
    assert allowed(role, ["*"], permission) is may
    assert allowed(role, [permission], permission) is may
    assert allowed(role, ["read"], permission) is (may and reads)
    assert allowed(role, [], permission) is False
    assert allowed(role, sorted(ALL_PERMISSIONS - {permission}), permission) is False


@given(st.text(max_size=30), st.lists(st.one_of(st.text(max_size=20), st.sampled_from(sorted(SCOPES)))), st.text(max_size=30))
def test_what_is_not_in_the_table_is_not_allowed(role: str, scopes: list[str], permission: str) -> None:
    assert not allowed(role, [*scopes, "*"], "x" + permission)
    if role not in Role.values:
        assert not allowed(role, [*scopes, "*"], "account.read")


@given(st.sampled_from(list(Role)), st.sets(st.sampled_from(sorted(SCOPES))), st.sampled_from(sorted(ALL_PERMISSIONS)))
def test_scopes_only_narrow(role: Role, scopes: set[str], permission: str) -> None:
    if allowed(role, scopes, permission):
        assert allowed(role, ["*"], permission)
