"""Find pods and hosts by what people type."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.db.models import Q

from mcp.errors import InvalidInput, NotFound
from pods.models import Host, Pod


def find_pod(slug: str) -> Pod:
    """A pod by its slug. Raises NotFound naming those there are."""
    pod = Pod.objects.filter(slug=slug).first()
    if pod is None:
        slugs = ", ".join(Pod.objects.values_list("slug", flat=True)[:20])
        raise NotFound(f"There is no pod {slug[:60]!r}; there are: {slugs or 'none yet'}.")
    return pod


def find_host(wanted: str) -> Host:
    """A host by id, name, POD/NAME, or address. Raises NotFound, or InvalidInput where several have the name."""
    pod, _, name = wanted.rpartition("/")
    match = Q(name=name) | Q(address=name)
    with suppress(ValueError):  # not an id, then it is a name or an address
        match |= Q(pk=UUID(name))
    rows = Host.objects.select_related("pod").filter(match)
    if pod:
        rows = rows.filter(pod__slug=pod)
    found = sorted(rows[:20], key=lambda host: host.duty == "retired")
    live = [host for host in found if host.duty != "retired"] or found[:1]
    if not live:
        raise NotFound(f"There is no host {wanted[:120]!r}; `./manage.py host list` shows them.")
    if len(live) > 1:
        raise InvalidInput.on("host", f"several have that name: {', '.join(f'{h.pod.slug}/{h.name}' for h in live)}; say which.")
    return live[0]
