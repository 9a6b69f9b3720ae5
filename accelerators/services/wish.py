"""What a customer asks for when creating accelerators, and everything that can be checked about it without the fleet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q

from accelerators.errors import DoesNotFit, PlanUnavailable
from accelerators.models import Plan
from accelerators.planning.names import GRAMMAR, well_formed
from accelerators.services.company import Company, company_of
from accounts.models import Account, SshKey
from accounts.services.ssh_keys import parse_public_key
from mcp.errors import FieldError, InvalidInput
from pods.models import Image, Pod
from pods.models.allocation import Spread
from pods.services.images import find_image

MAX_COUNT = 100
MAX_SCRIPT_BYTES = 65_536
MAX_TAGS = 50
TAG_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
POLICIES = ("required", "preferred")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class CreateWish:
    """As it came from the caller: names, not rows. `ssh_keys` None means every key of the account."""

    name: str
    plan: str
    image: str
    pod: str = ""
    count: int = 1
    location: str = ""
    as_many_as_fit: bool = False
    group: str = ""
    spread: str = ""  # empty: as the group does it already, else none
    spread_limit: int = 1
    spread_policy: str = "required"
    near: str = ""
    near_policy: str = "preferred"
    ssh_keys: Sequence[str] | None = None
    user_script: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows that a wish names, and the company it keeps."""

    plan: Plan
    image: Image
    pod: Pod | None
    ssh_keys: list[str]
    company: Company


def check(wish: CreateWish) -> None:
    """Everything about the words themselves, all faults at once. Raises InvalidInput with one error a field."""
    errors = [error for error in _faults(wish) if error is not None]
    if errors:
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)


def _faults(wish: CreateWish) -> list[FieldError | None]:
    return [
        None if well_formed(wish.name) else FieldError("name", "malformed", f"{GRAMMAR}."),
        None
        if wish.count == 1 or len(f"{wish.name}-{MAX_COUNT}") <= 63
        else FieldError("name", "too_long", "leave room for the number that is added when count is above 1."),
        None if 1 <= wish.count <= MAX_COUNT else FieldError("count", "out_of_range", f"ask for 1 to {MAX_COUNT}."),
        *group_faults(wish),
        _script_fault(wish.user_script),
        tag_fault(wish.tags),
        metadata_fault(wish.metadata),
    ]


def group_faults(wish: CreateWish) -> list[FieldError | None]:
    """What is wrong with the words about company: group, spread, near."""
    most = f"1 to {MAX_COUNT}"
    return [
        None
        if not wish.spread or wish.spread in Spread.values
        else FieldError("spread", "unknown", f"choose one of {', '.join(Spread.values)}."),
        *(
            FieldError(field, "malformed", "use 1 to 64 letters, digits and ._-, beginning with a letter or digit.")
            for field, name in (("group", wish.group), ("near", wish.near))
            if name and not GROUP.fullmatch(name)
        ),
        *(
            FieldError(field, "unknown", f"choose one of {', '.join(POLICIES)}.")
            for field, policy in (("spread_policy", wish.spread_policy), ("near_policy", wish.near_policy))
            if policy not in POLICIES
        ),
        None if 1 <= wish.spread_limit <= MAX_COUNT else FieldError("spread_limit", "out_of_range", f"ask for {most}."),
        None
        if not (wish.near and wish.near == wish.group and wish.spread == Spread.HOST)
        else FieldError("near", "contradicts", "a group cannot be spread over hosts and be near itself."),
    ]


def _script_fault(script: str) -> FieldError | None:
    if len(script.encode()) > MAX_SCRIPT_BYTES:
        return FieldError("user_script", "too_long", f"at most {MAX_SCRIPT_BYTES} bytes; fetch the rest from the script.")
    if script and not script.startswith("#!"):
        return FieldError("user_script", "no_interpreter", "must begin with #! and an interpreter, such as #!/bin/sh.")
    if "\x00" in script:
        return FieldError("user_script", "malformed", "must not hold NUL characters.")
    return None


def tag_fault(tags: Mapping[str, str]) -> FieldError | None:
    """What is wrong with a set of tags, if anything."""
    if len(tags) > MAX_TAGS:
        return FieldError("tags", "too_many", f"at most {MAX_TAGS} tags.")
    for key, value in tags.items():
        if not TAG_KEY.fullmatch(key):
            return FieldError("tags", "malformed", f"{key[:70]!r}: keys have 1 to 64 letters, digits and ._-.")
        if not isinstance(value, str) or len(value) > 128 or CONTROL.search(value) or "\n" in value:
            return FieldError("tags", "malformed", f"the value of {key!r} must be one line of at most 128 characters.")
    return None


def metadata_fault(metadata: Mapping[str, Any]) -> FieldError | None:
    """What is wrong with metadata, if anything: it is the customer's own, but small and flat."""
    if len(metadata) > MAX_TAGS:
        return FieldError("metadata", "too_many", f"at most {MAX_TAGS} entries.")
    for key, value in metadata.items():
        if not TAG_KEY.fullmatch(key):
            return FieldError("metadata", "malformed", f"{key[:70]!r}: keys have 1 to 64 letters, digits and ._-.")
        if not isinstance(value, str) or len(value) > 4096 or "\x00" in value:
            return FieldError("metadata", "malformed", f"the value of {key!r} must be text of at most 4096 characters.")
    return None


def choose(wish: CreateWish, account: Account) -> Chosen:
    """The rows a wish names. Raises PlanUnavailable, ImageUnavailable, DoesNotFit, InvalidInput."""
    plan = find_plan(wish.plan)
    image = find_image(wish.image)
    if image.kind != plan.kind:
        raise DoesNotFit.on("image", f"{image.slug} is for plans of kind {image.kind}; {plan.slug} is of kind {plan.kind}.")
    if plan.memory_mib < image.min_memory_mib or plan.disk_gib < image.min_disk_gib:
        raise DoesNotFit.on(
            "plan", f"{image.slug} needs at least {image.min_memory_mib} MiB of memory and {image.min_disk_gib} GiB of disk; "
            f"{plan.slug} has {plan.memory_mib} MiB and {plan.disk_gib} GiB.",
        )  # fmt: skip
    _location(wish.location)
    return Chosen(plan, image, _pod(wish.pod), _keys(wish.ssh_keys, account), company_of(wish, account))


def find_plan(slug: str) -> Plan:
    """An active plan. Raises PlanUnavailable naming what there is."""
    plan = Plan.objects.filter(slug=slug, active=True).first()
    if plan is None:
        slugs = Plan.objects.filter(active=True).values_list("slug", flat=True)
        raise PlanUnavailable.on("plan", f"there is no plan {slug[:80]!r}; choose one of {', '.join(slugs)}.")
    return plan


def _pod(slug: str) -> Pod | None:
    if not slug:
        return None
    pod = Pod.objects.filter(slug=slug).exclude(state="closed").first()
    if pod is None:
        slugs = Pod.objects.exclude(state="closed").values_list("slug", flat=True)
        raise InvalidInput.on(
            "pod", f"there is no pod {slug[:80]!r}; choose one of {', '.join(slugs)}, or leave it out.", "unknown"
        )
    return pod


def _location(name: str) -> None:
    known = Pod.objects.exclude(state="closed").exclude(location="").order_by("location")
    if name and not known.filter(location=name).exists():
        names = known.values_list("location", flat=True).distinct()[:20]
        raise InvalidInput.on(
            "location", f"there is no location {name[:80]!r}; choose one of {', '.join(names)}, or leave it out.", "unknown"
        )


def _keys(wanted: Sequence[str] | None, account: Account) -> list[str]:
    """Keys by name, id, fingerprint or as text."""
    rows = SshKey.objects.filter(account=account)
    if wanted is None:
        return [row.public_key for row in rows.order_by("created_at", "id")]
    if len(wanted) > 50:
        raise InvalidInput.on("ssh_keys", "at most 50 keys.", "too_many")
    return list(dict.fromkeys(_key(entry, account) for entry in wanted))


def _key(entry: str, account: Account) -> str:
    if " " in entry.strip():
        parsed = parse_public_key(entry, field="ssh_keys")
        return parsed.text
    match = Q(name=entry) | Q(fingerprint=entry)
    with suppress(ValueError):  # not an id, then it is a name or a fingerprint
        match |= Q(pk=UUID(entry))
    row = SshKey.objects.filter(match, account=account).first()
    if row is None:
        raise InvalidInput.on(
            "ssh_keys", f"the account has no key {entry[:80]!r}; add it first, or send the key itself.", "unknown"
        )
    return row.public_key
