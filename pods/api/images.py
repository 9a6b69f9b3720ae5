"""`/images`, and the operators' view of them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import CustomerView, OperatorView, actor
from mcp.api.changes import Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import StrictSerializer, Text
from mcp.api.filters import Filter, choice, filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import NotFound
from pods.models import Image
from pods.services.edit_image import edit_image

ORDER = ("slug", "created_at")
FILTERS: dict[str, Filter] = {
    "slug": text("slug", "By slug."),
    "kind": choice("kind", ("zone", "vm"), "By kind."),
}
OPERATOR_FILTERS: dict[str, Filter] = {**FILTERS, "state": choice("state", Image.State.values, "By state.")}


class ImageShape(serializers.Serializer[Any]):
    """What an accelerator can be made from."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    version = serializers.CharField()
    kind = serializers.ChoiceField(choices=["zone", "vm"])
    os = serializers.CharField()
    description = serializers.CharField()
    size_bytes = serializers.IntegerField()
    min_memory_mib = serializers.IntegerField()
    min_disk_gib = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class OperatorImageShape(ImageShape):
    """With what operators need."""

    state = serializers.ChoiceField(choices=Image.State.choices)
    sha256 = serializers.CharField()
    file = serializers.CharField()
    ready_port = serializers.IntegerField()
    required_traits = serializers.ListField(child=serializers.CharField(), help_text="What a host must have to run it.")


class ImageEdit(StrictSerializer):
    """What operators change of an image."""

    state = serializers.ChoiceField(choices=Image.State.choices, required=False)
    description = Text(max_length=200, required=False, allow_blank=True)
    required_traits = serializers.ListField(child=Text(), required=False, help_text="What a host must have to run it.")


def present_image(row: Image) -> dict[str, Any]:
    """As customers see it."""
    return {
        "id": row.pk, "slug": row.slug, "version": row.version, "kind": row.kind, "os": row.os,
        "description": row.description, "size_bytes": row.size_bytes, "min_memory_mib": row.min_memory_mib,
        "min_disk_gib": row.min_disk_gib, "created_at": row.created_at,
    }  # fmt: skip


def present_image_to_operator(row: Image) -> dict[str, Any]:
    """As operators see it."""
    return {
        **present_image(row), "state": row.state, "sha256": row.sha256, "file": row.file, "ready_port": row.ready_port,
        "required_traits": row.required_traits,
    }  # fmt: skip


def _find(rows: QuerySet[Image], ref: str) -> Image:
    """By id, `slug@version`, or `slug` for the newest version."""
    slug, at, version = ref.partition("@")
    if at:
        rows = rows.filter(version=version)
    newest = rows.filter(slug=slug).order_by("-created_at", "-version").first() if ref.isprintable() else None
    if newest is not None:
        return newest
    if at:
        raise NotFound(f"There is no image {ref[:80]!r}.")
    return find(rows, ref, name="slug", what="image")


class ImagesView(CustomerView):
    """`/images`."""

    noun = "catalogue"

    @listing(ImageShape, "images", "Images", filters=FILTERS, order=ORDER, tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """Every version that new accelerators can be made from. A slug alone means the newest one."""
        page = paged(request, filtered(request, Image.objects.filter(state=Image.State.ACTIVE), FILTERS), ORDER)
        return Response(page.body([present_image(row) for row in page.rows]))


class ImageView(CustomerView):
    """`/images/{id, slug or slug@version}`."""

    noun = "catalogue"

    @reading(ImageShape, "image", "One image", tags=["catalogue"])
    def get(self, request: Request, ref: str) -> Response:
        """By id, slug (its newest version) or slug@version."""
        return one(request, present_image(_find(Image.objects.filter(state=Image.State.ACTIVE), ref)))


class OperatorImagesView(OperatorView):
    """`/operator/images`."""

    @listing(OperatorImageShape, "operatorImages", "All images", filters=OPERATOR_FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """Also disabled ones. `./manage.py image build` makes them."""
        page = paged(request, filtered(request, Image.objects.all(), OPERATOR_FILTERS), ORDER)
        return Response(page.body([present_image_to_operator(row) for row in page.rows]))


class OperatorImageView(OperatorView):
    """`/operator/images/{id, slug or slug@version}`."""

    @reading(OperatorImageShape, "operatorImage", "One image", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """By id, slug (its newest version) or slug@version."""
        return one(request, present_image_to_operator(_find(Image.objects.all(), ref)))

    @changing(ImageEdit, OperatorImageShape, "editImage", "Enable, disable or describe", method="patch", tags=["operator"])
    def patch(self, request: Request, ref: str) -> Response:
        """A disabled image makes nothing new; what runs of it goes on."""
        row, body = _find(Image.objects.all(), ref), parsed(ImageEdit, request)
        demand_match(request, tag_of(present_image_to_operator(row)))

        def perform() -> Outcome:
            changed = edit_image(actor=actor(request), image=row, **body)
            return Outcome(lambda: present_image_to_operator(changed), etag=tag_of)

        return carry_out(request, perform)
