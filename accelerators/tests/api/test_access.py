"""Every endpoint there is, walked from the URL configuration: strangers get 404, the keyless 401, viewers 403 on writes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern
from rest_framework.test import APIClient

from accelerators.api.urls import CUSTOMER, OPERATOR, urlpatterns
from accelerators.testing.make import make_running
from accounts.actor import Actor
from accounts.models import Account, ApiKey, Membership
from accounts.services.ssh_keys import add_ssh_key
from accounts.testing import client_with, make_account, make_key
from mcp.api.views import OpenView
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from pods.models import Host, Pod
from pods.testing import make_pod

METHODS = ("get", "post", "put", "patch", "delete")
WRITES = ("post", "put", "patch", "delete")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5M1XB5dL3Ru1mNBJJ3oXqSZXv1cm6ZwBZC4bYGk3Xq web@example"
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "account/members"): {"username": "nobody", "role": "viewer"},
    ("patch", "account/members/<str:ref>"): {"role": "viewer"},
    ("post", "account/ssh-keys"): {"public_key": KEY},
    ("post", "account/api-keys"): {"name": "new"},
    ("post", "accelerators"): {"name": "x", "plan": "zone-256m", "image": "debian-12"},
    ("patch", "accelerators/<str:ref>"): {"protected": True},
    ("patch", "account"): {"name": "Other"},
}


def endpoints(patterns: list[Any]) -> list[tuple[str, str]]:
    """(method, route) of every handler in the URL configuration."""
    found = []
    for pattern in patterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.view_class  # type: ignore[attr-defined]  # set by as_view
        found += [(m, str(pattern.pattern)) for m in METHODS if inspect.isfunction(getattr(view, m, None))]
    return found


def send(client: APIClient, method: str, route: str, ref: str) -> Any:
    body = BODIES.get((method, route), {})
    path = "/api/v1/" + route.replace("<str:ref>", ref)
    return client.generic(method.upper(), path) if method == "get" else getattr(client, method)(path, body, format="json")


@pytest.fixture
def belongings(actor: Actor, account: Account, pod: Pod) -> dict[str, set[str]]:
    """Ids and names of one of each thing that acme holds, by the first part of the route."""
    key = add_ssh_key(actor=actor, public_key=KEY, name="laptop")
    accelerator = make_running(actor, "web")
    operation = Operation.objects.get(target_id=accelerator.pk)
    waiting = Operation.objects.create(
        kind="accelerator.create", account_id=account.pk, actor="x", target_type="accelerator", target_id=uuid4(),
        state=OperationState.NEEDS_ATTENTION,
    )  # fmt: skip
    member = Membership.objects.get(account=account)
    api_key = ApiKey.objects.get(account=account)
    return {
        "account/ssh-keys": {str(key.pk), "laptop"},
        "account/members": {str(member.pk), member.user.username},
        "account/api-keys": {str(api_key.pk), api_key.name},
        "accelerators": {str(accelerator.pk), "web"},
        "operations": {str(operation.pk), str(waiting.pk)},
    }


def owned(route: str, belongings: dict[str, set[str]]) -> Iterator[str]:
    for prefix, refs in belongings.items():
        if route.startswith(f"{prefix}/<str:ref>"):
            yield from sorted(refs)


def rows_now() -> list[Any]:
    """Everything that a stranger might have changed."""
    return [
        list(Operation.objects.order_by("pk").values_list("pk", "state", "cancel_requested")),
        list(Membership.objects.filter(account__slug="acme").values_list("pk", "role")),
        list(ApiKey.objects.filter(account__slug="acme").values_list("pk", "revoked_at")),
    ]


def test_the_walk_sees_every_route() -> None:
    views = [p.callback.view_class for p in urlpatterns if isinstance(p, URLPattern)]  # type: ignore[attr-defined]  # as above
    walked = [p.callback.view_class for p in [*CUSTOMER, *OPERATOR] if isinstance(p, URLPattern)]  # type: ignore[attr-defined]  # as above
    for view in views:
        assert view in walked or issubclass(view, OpenView) or view.__module__.startswith("drf_spectacular"), view
    assert len(endpoints(CUSTOMER)) >= 35
    assert len(endpoints(OPERATOR)) >= 35


def test_another_accounts_ids_and_names_answer_404(belongings: dict[str, set[str]]) -> None:
    stranger = client_with(make_key(make_account("stranger")))
    before, tried = rows_now(), 0
    for method, route in endpoints(CUSTOMER):
        for ref in owned(route, belongings):
            response = send(stranger, method, route, ref)
            assert response.status_code == 404, (method, route, ref, response.content)
            assert response.json()["code"] == "resource.not_found"
            assert "acme" not in response.content.decode().replace(ref, "")
            tried += 1
    assert tried >= 30
    assert rows_now() == before


def test_strangers_see_nothing_in_lists(belongings: dict[str, set[str]]) -> None:
    stranger = client_with(make_key(make_account("stranger")))
    secrets = {ref for refs in belongings.values() for ref in refs if len(ref) == 36} | {"acme"}
    for method, route in endpoints(CUSTOMER):
        if method == "get" and "<str:ref>" not in route:
            text = send(stranger, method, route, "").content.decode()
            assert not [secret for secret in secrets if secret in text], route


@pytest.mark.parametrize(("method", "route"), endpoints([*CUSTOMER, *OPERATOR]))
def test_without_a_key_every_endpoint_answers_401(db: None, method: str, route: str) -> None:
    for key in (None, "mcp_" + "x" * 43, "nonsense"):
        response = send(client_with(key), method, route, str(uuid4()))
        assert response.status_code == 401, (method, route)
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response["Content-Type"] == "application/problem+json"


def test_viewers_read_and_write_nothing(account: Account, belongings: dict[str, set[str]]) -> None:
    viewer, before = client_with(make_key(account, "viewer")), None
    before = rows_now()
    for method, route in endpoints(CUSTOMER):
        if method in WRITES:
            ref = next(owned(route, belongings), "web")
            response = send(viewer, method, route, ref)
            assert response.status_code == 403, (method, route, response.content)
            assert response.json()["code"] == "access.forbidden"
    assert rows_now() == before
    for route in ("accelerators", "accelerators/web", "operations", "events", "plans", "account", "account/limits"):
        assert viewer.get(f"/api/v1/{route}").status_code == 200, route
    assert viewer.get("/api/v1/account/api-keys").status_code == 403


def test_read_only_scope_of_an_owner_writes_nothing(account: Account, belongings: dict[str, set[str]]) -> None:
    reader = client_with(make_key(account, "owner", scopes=["read"]))
    for method, route in endpoints(CUSTOMER):
        if method in WRITES:
            assert send(reader, method, route, next(owned(route, belongings), "web")).status_code == 403, (method, route)


def test_billing_reads_no_accelerators(account: Account) -> None:
    billing = client_with(make_key(account, "billing"))
    assert billing.get("/api/v1/accelerators").status_code == 403
    assert billing.get("/api/v1/account").status_code == 200


def test_customers_cannot_reach_operators_endpoints(api: APIClient, pod: Pod) -> None:
    host = Host.objects.first()
    assert host is not None
    for method, route in endpoints(OPERATOR):
        response = send(api, method, route, str(host.pk))
        assert response.status_code == 403, (method, route)
    host.refresh_from_db()
    assert host.duty == "active"


def test_operators_keys_have_no_account(operator_api: APIClient) -> None:
    for method, route in endpoints(CUSTOMER):
        response = send(operator_api, method, route, "web")
        assert response.status_code == 403, (method, route)
        assert "operator" in response.json()["detail"]


def test_operators_find_nothing_under_unknown_ids(operator_api: APIClient, db: None) -> None:
    for method, route in endpoints(OPERATOR):
        if "<str:ref>" in route:
            for ref in (str(uuid4()), "no-such-thing", "%00", "a" * 400):
                assert send(operator_api, method, route, ref).status_code == 404, (method, route, ref)


def test_customers_never_see_hosts(api: APIClient, belongings: dict[str, set[str]]) -> None:
    """Neither names nor addresses of machines, wherever a customer reads."""
    make_pod("sim2")
    hosts = set(Host.objects.values_list("name", flat=True)) | {str(pk) for pk in Host.objects.values_list("pk", flat=True)}
    for method, route in endpoints(CUSTOMER):
        if method == "get":
            for ref in [*owned(route, belongings), ""][:2]:
                text = send(api, method, route, ref).content.decode()
                assert not [host for host in hosts if host in text], (route, text)
