"""The OpenAPI document says what the API does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from accelerators.api.urls import CUSTOMER, OPERATOR
from accelerators.testing.make import make_running
from accounts.actor import Actor
from accounts.services.ssh_keys import add_ssh_key
from pods.models import Pod

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5M1XB5dL3Ru1mNBJJ3oXqSZXv1cm6ZwBZC4bYGk3Xq web@example"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # untyped library
    return document


def test_it_is_valid_and_written_down(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]  # untyped library
    written = json.loads((settings.BASE_DIR / "docs" / "openapi.json").read_text())
    assert json.loads(json.dumps(schema, default=str)) == written, (
        "the document is out of date: "
        "./manage.py spectacular --validate --fail-on-warn --format openapi-json --file docs/openapi.json"
    )


def test_every_route_is_described_for_strangers(schema: dict[str, Any]) -> None:
    for pattern in [*CUSTOMER, *OPERATOR]:
        assert isinstance(pattern, URLPattern)
        path = "/api/v1/" + str(pattern.pattern).replace("<str:ref>", "{ref}")
        for method, operation in schema["paths"][path].items():
            assert operation["summary"], (method, path)
            assert len(operation["description"]) > 8, (method, path)
            assert operation["tags"] != ["api"], (method, path)
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert ("dry_run" in names) == (method != "get"), (method, path)
            assert ("Idempotency-Key" in names) == (method == "post"), (method, path)
            assert ("If-Match" in names) == (method == "patch"), (method, path)
    ids = [operation["operationId"] for path in schema["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_it_and_the_page_are_served_without_a_key(client: Client, db: None) -> None:
    assert client.get("/api/v1/schema?format=json").status_code == 200
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "/static/drf_spectacular_sidecar/" in page.content.decode()
    assert "cdn" not in page.content.decode().lower()


def resolve(schema: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape or len(shape.get("allOf", [])) == 1:
        ref = shape.get("$ref") or shape["allOf"][0]["$ref"]
        shape = schema["components"]["schemas"][ref.rsplit("/", 1)[1]]
    return shape


def differences(schema: dict[str, Any], shape: dict[str, Any], value: Any, where: str) -> list[str]:
    """Where an answer and its description disagree: missing or undescribed fields, and wrong JSON types."""
    if value is None:
        nullable = shape.get("nullable") or any(one.get("nullable") or "$ref" in one for one in shape.get("oneOf", []))
        return [] if nullable or not shape or "allOf" in shape else [f"{where} is null"]
    shape = resolve(schema, shape)
    if "oneOf" in shape:
        return min((differences(schema, one, value, where) for one in shape["oneOf"]), key=len)
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
        "number": (int, float),
    }
    if shape.get("type") in kinds and not isinstance(value, kinds[shape["type"]]):
        return [f"{where} is {type(value).__name__}, not {shape['type']}"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is {value!r}"]
    if isinstance(value, list):
        return [fault for item in value[:3] for fault in differences(schema, shape.get("items", {}), item, f"{where}[]")]
    properties = shape.get("properties")
    if isinstance(value, dict) and properties:
        faults = [f"{where}: {name} is not described" for name in value.keys() - properties.keys()]
        faults += [f"{where}: {name} is missing" for name in set(shape.get("required", [])) - value.keys()]
        for name in value.keys() & properties.keys():
            faults += differences(schema, properties[name], value[name], f"{where}.{name}")
        return faults
    return []


def test_answers_are_as_described(
    api: APIClient, operator_api: APIClient, actor: Actor, pod: Pod, simulated: Any, schema: dict[str, Any]
) -> None:
    add_ssh_key(actor=actor, public_key=KEY, name="laptop")
    make_running(actor, tags={"a": "b"}, user_script="#!/bin/sh\ntrue\n")
    refs = {
        "account/members": "acme-owner", "account/ssh-keys": "laptop", "account/api-keys": "acme-owner-0", "plans": "zone-256m",
        "images": "debian-12", "pods": "sim1", "accelerators": "web", "operator/pods": "sim1", "operator/hosts": "sim1-h1",
        "operator/images": "debian-12@1", "operator/plans": "zone-256m", "operator/accounts": "acme",
    }  # fmt: skip
    operation = api.get("/api/v1/operations").json()["results"][-1]["id"]
    refs |= {"operations": operation, "operator/operations": operation}
    faults, tried = [], 0
    for path, methods in schema["paths"].items():
        prefix = path.removeprefix("/api/v1/").partition("/{ref}")[0]
        if "get" not in methods or ("{ref}" in path and prefix not in refs) or prefix in ("schema",):
            continue
        client = operator_api if prefix.startswith("operator/") else api
        response = client.get(path.replace("{ref}", refs.get(prefix, "")))
        assert response.status_code == 200, (path, response.content)
        shape = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        faults += differences(schema, shape, response.json(), path)
        tried += 1
    assert faults == []
    assert tried >= 35
