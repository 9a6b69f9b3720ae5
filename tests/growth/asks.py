"""Every GET there is: endpoints with each filter and order from the OpenAPI schema, pages from the URL configuration,
lists of the console with each of their filters and sortable columns. What is new is found, or the walk fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from tests.growth.subjects import Subjects

URLS = "mcp.urls"
API = "/api/v1"
# In the schema beside what selects: how much, where, and in which form (a stream of events stays open).
PLACES = ("limit", "cursor", "format")
CHOICES = re.compile(r"One or several of (.+), separated by commas\.")
# Pages that change something at once or lead elsewhere, by the name of their address.
NOT_PAGES = {
    "sign-out", "switch-account", "login", "logout", "password_change", "password_change_done", "auth_user_password_change",
    "jsi18n", "autocomplete", "view_on_site",
}  # fmt: skip
# What answers by looking at the whole fleet, with the reason. Bound by goals of its own, and by the number of its queries here.
WHOLE = {
    f"{API}/operator/whatif": "moves guests about on a copy of the fleet (whatif.* in make bench)",
    "/admin/whatif/": "the same, as a page",
    "/admin/pods/host/<uuid:host_id>/evacuate/": "plans a move for each guest of a host among the hosts of its pod",
    "/admin/pods/pod/<uuid:pod_id>/rebalance/": "plans moves among all guests of a pod",
}
# What people type into the portal's lists.
PORTAL = {
    "accelerators": ["q=web", "q=role%3Dweb", "state=stopped"], "operations": ["state=failed", "state=queued"],
}  # fmt: skip


class Unknown(Exception):
    """Something new that the walk cannot ask for; the message says where to tell it how."""


@dataclass(frozen=True)
class Ask:
    """One request. `name` is the same in every fleet."""

    name: str
    who: str
    url: str


def every_ask(subjects: Subjects) -> list[Ask]:
    """All of them. Raises Unknown."""
    return [*api_asks(subjects), *page_asks(subjects), *console_asks(subjects)]


# --- the API


def api_asks(subjects: Subjects) -> Iterator[Ask]:
    """Each GET of the schema; each filter, each order, the second page."""
    generator: Any = SchemaGenerator(urlconf=URLS)  # type: ignore[no-untyped-call]  # untyped library
    schema = generator.get_schema(request=None, public=True)
    for path, methods in schema["paths"].items():
        if "get" not in methods:
            continue
        who = "operator" if path.startswith(f"{API}/operator/") else "customer"
        for label, url in _urls(path, subjects):
            yield Ask(label, who, url)
        parameters = [] if path in WHOLE else methods["get"].get("parameters", [])
        for query in _queries(path.removeprefix(API), parameters, subjects):
            yield Ask(f"{path}?{query[0]}", who, f"{path}?{query[1]}")


def _urls(path: str, subjects: Subjects) -> Iterator[tuple[str, str]]:
    """The path with its reference filled in, by id and by name."""
    before, _, after = path.partition("/{ref}")
    if before == path:
        yield path, path
        return
    noun = before.rpartition("/")[2]
    try:
        refs = subjects.refs(noun)
    except KeyError:
        raise Unknown(f"{path}: say in tests/growth/subjects.py, refs, what {noun}/REF is") from None
    for number, ref in enumerate(refs):
        yield f"{path} by {'name' if number else 'id'}", f"{before}/{ref}{after}"


def _queries(path: str, parameters: Sequence[dict[str, Any]], subjects: Subjects) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        name = parameter["name"]
        if parameter["in"] != "query" or name in PLACES or "{" in path:
            continue
        for value in _values(path, parameter, subjects):
            query = urlencode({name.replace("tag.KEY", "tag.role"): value, **({} if name == "dry_run" else {"limit": "10"})})
            shown = value if parameter["schema"].get("enum") or CHOICES.search(parameter.get("description", "")) else ""
            yield f"{name}={shown}", query


def _values(path: str, parameter: dict[str, Any], subjects: Subjects) -> list[str]:
    """Every choice where it is a choice, else one that selects something."""
    if choices := parameter["schema"].get("enum"):
        return [str(choice) for choice in choices]
    if found := CHOICES.search(parameter.get("description", "")):
        return found[1].split(", ")
    if parameter["name"] in ("reachable", "protected", "active"):
        return ["true", "false"]
    try:
        return [subjects.value(path, parameter["name"])]
    except KeyError:
        raise Unknown(f"{path}: say in tests/growth/subjects.py, value, what ?{parameter['name']}= may be") from None


# --- pages


def page_asks(subjects: Subjects) -> Iterator[Ask]:
    """Each address outside the console and the API."""
    for route, pattern in _patterns(get_resolver(URLS).url_patterns):
        if route.startswith(("admin/", "api/v1/")) or pattern.name in NOT_PAGES:
            continue
        url = _filled(f"/{route}", pattern, subjects)
        who = "operator" if route == "metrics" else "nobody" if route in ("healthz", "readyz", "sign-in/") else "person"
        yield Ask(f"/{route}", who, url)
        for query in PORTAL.get(pattern.name or "", []):
            yield Ask(f"/{route}?{query}", who, f"{url}?{query}")


def _patterns(patterns: Sequence[Any], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, route)
        else:
            yield route, pattern


def _filled(route: str, pattern: URLPattern, subjects: Subjects) -> str:
    def value(match: re.Match[str]) -> str:
        try:
            return str(subjects.kwargs[match[1]])
        except KeyError:
            raise Unknown(f"{route}: say in tests/growth/subjects.py, kwargs, what {match[1]} is") from None

    return re.sub(r"<(?:\w+:)?(\w+)>", value, route)


# --- the console


def console_asks(subjects: Subjects) -> Iterator[Ask]:
    """Each page of each model, and the console's own."""
    staff = subjects.clients()["staff"]
    assert isinstance(staff, Client)
    models = {f"{model._meta.app_label}/{model._meta.model_name}": model for model in admin.site._registry}
    for route, pattern in _patterns(get_resolver(URLS).url_patterns):
        if not route.startswith("admin/") or pattern.name in NOT_PAGES or route.startswith("admin/^"):
            continue
        label = "/".join(route.split("/")[1:3])
        if label not in models or (pattern.name or "").startswith("console-"):
            yield from _own(route, pattern, subjects)
            continue
        row = subjects.row_of(models[label])
        yield from _model_page(route, pattern, subjects, str(row.pk) if row is not None else "")
    for label, model in models.items():
        yield from _lists(staff, f"/admin/{label}/", subjects.words_for(model))


def _own(route: str, pattern: URLPattern, subjects: Subjects) -> Iterator[Ask]:
    if pattern.name == "app_list":
        for app in sorted({model._meta.app_label for model in admin.site._registry}):
            yield Ask(f"/admin/{app}/", "staff", f"/admin/{app}/")
    elif "(?P<" not in route and "<path" not in route and pattern.name is not None:
        yield Ask(f"/{route}", "staff", _filled(f"/{route}", pattern, subjects))


def _model_page(route: str, pattern: URLPattern, subjects: Subjects, pk: str) -> Iterator[Ask]:
    """Pages about one row, and forms for new ones; lists are asked for apart. A verb's address is for POST."""
    what = (pattern.name or "").rpartition("_")[2]
    if what in ("changelist", "do", "delete", "") or pattern.name is None:
        return
    url = f"/{route}"
    if "<path:object_id>" in route:
        if not pk:
            return
        url = url.replace("<path:object_id>", pk)
    yield Ask(f"/{route}", "staff", _filled(url, pattern, subjects))


def _lists(staff: Client, url: str, words: Sequence[str]) -> Iterator[Ask]:
    """A list with each of its filters and orders as its own page offers them, a search, and the second page."""
    yield Ask(url, "staff", url)
    html = staff.get(url).content.decode()
    seen: set[str] = set()
    for query in re.findall(r'href="\?([^"]+)"', html):
        pairs = parse_qsl(unescape(query))
        if len(pairs) != 1:
            continue
        (name, value) = pairs[0]
        label = name if "__id__" in name or name == "p" else f"{name}={value}"
        if label not in seen:
            seen.add(label)
            yield Ask(f"{url}?{label}", "staff", f"{url}?{urlencode(pairs)}")
    if 'name="q"' in html:
        for number, word in enumerate(words):
            yield Ask(f"{url}?q={'text' if number else 'id'}", "staff", f"{url}?{urlencode({'q': word})}")
