"""Entity tags: `"REVISION.DIGEST"`. Changes compare the revision (what people edited), reads the whole tag."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.request import Request

from mcp.api.errors import PreconditionMalformed
from mcp.errors import PreconditionFailed

TAG = re.compile(r'(?:W/)?"([^"\x00-\x1f]*)"')


def digest(body: Any) -> str:
    """Sixteen hex digits that change whenever the body does."""
    text = json.dumps(body, sort_keys=True, cls=DjangoJSONEncoder, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tag_of(body: Any, revision: int | None = None) -> str:
    """The tag of a representation; without a revision of its own, the digest stands for it."""
    value = digest(body)
    return f'"{revision if revision is not None else value}.{value}"'


def listed(header: str) -> list[str]:
    """The tags of an If-Match or If-None-Match header."""
    return TAG.findall(header)


def demand_match(request: Request, tag: str) -> None:
    """Refuse a change whose `If-Match` names another revision. Raises PreconditionFailed, PreconditionMalformed."""
    header = request.headers.get("If-Match", "").strip()
    if not header or header == "*":
        return
    wanted = {value.partition(".")[0] for value in listed(header)}
    if not wanted:
        raise PreconditionMalformed.on("If-Match", 'send the ETag as it was answered, quotes included, or "*" without quotes.')
    if tag.strip('"').partition(".")[0] not in wanted:
        raise PreconditionFailed("It has changed since you read it; read it again and repeat the change.")


def unchanged(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` already has this representation."""
    header = request.headers.get("If-None-Match", "").strip()
    return header == "*" or tag.strip('"') in listed(header)
