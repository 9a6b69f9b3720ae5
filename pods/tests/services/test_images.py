"""Images: registering, finding, disabling."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.actor import system
from mcp.errors import Forbidden
from mcp.events.models import AuditEntry
from pods.errors import ImageUnavailable
from pods.images.store import BuiltImage
from pods.models import Host, Image, ImageCopy, Pod
from pods.services.images import find_any_image, find_image, register_image, set_image_state
from pods.testing import make_image

pytestmark = pytest.mark.django_db
OPERATOR = system("test")
CUSTOMER = replace(OPERATOR, is_operator=False)
BUILT = BuiltImage(
    slug="debian-12", version="20261123", path=Path("/anywhere/debian-12-20261123.tar.zst"), sha256="a" * 64, size_bytes=4_711,
    os="Debian 12", min_memory_mib=64, min_disk_gib=2, ready_port=22, recipe_digest="d" * 64,
)  # fmt: skip


def versions(*names: str, slug: str = "debian-12", **fields: Any) -> list[Image]:
    """Images of those versions, the first the oldest."""
    start = timezone.now() - timedelta(days=1)
    times = [start + timedelta(minutes=index) for index in range(len(names))]
    return [make_image(slug, name, created_at=at, **fields) for name, at in zip(names, times, strict=True)]


def test_a_built_image_is_recorded_as_it_is() -> None:
    image = register_image(actor=OPERATOR, built=BUILT)
    image.refresh_from_db()
    for name in ("slug", "version", "sha256", "size_bytes", "os", "min_memory_mib", "min_disk_gib", "ready_port"):
        assert getattr(image, name) == getattr(BUILT, name)
    assert (image.file, image.state) == ("debian-12-20261123.tar.zst", Image.State.ACTIVE)
    assert AuditEntry.objects.get(action="image.register").changes == {"sha256": "a" * 64}


def test_the_directory_of_images_may_move(settings: Any) -> None:
    settings.IMAGE_DIR = "/elsewhere"
    assert register_image(actor=OPERATOR, built=BUILT).ref.path == Path("/elsewhere/debian-12-20261123.tar.zst")


def test_the_same_again_is_a_no_op() -> None:
    first = register_image(actor=OPERATOR, built=BUILT)
    assert register_image(actor=OPERATOR, built=BUILT).pk == first.pk
    assert Image.objects.count() == 1
    assert AuditEntry.objects.filter(action="image.register").count() == 1


def test_the_same_again_does_not_enable_what_was_disabled() -> None:
    image = register_image(actor=OPERATOR, built=BUILT)
    set_image_state(actor=OPERATOR, image=image, state=Image.State.DISABLED)
    assert register_image(actor=OPERATOR, built=BUILT).state == Image.State.DISABLED


def test_other_bytes_under_the_same_version_are_audited_and_make_copies_void(pod: Pod) -> None:
    image = register_image(actor=OPERATOR, built=BUILT)
    ImageCopy.objects.create(image=image, host=Host.objects.all()[0])
    register_image(actor=OPERATOR, built=BUILT)
    assert image.copies.count() == 1
    assert register_image(actor=OPERATOR, built=replace(BUILT, sha256="b" * 64)).pk == image.pk
    assert image.copies.count() == 0
    entries = AuditEntry.objects.filter(action="image.register").order_by("id")
    assert [entry.changes["sha256"] for entry in entries] == ["a" * 64, "b" * 64]


def test_a_slug_means_its_newest_active_version() -> None:
    old, middle, new = versions("1", "2", "3")
    assert find_image("debian-12") == new
    set_image_state(actor=OPERATOR, image=new, state=Image.State.DISABLED)
    assert find_image("debian-12") == middle
    assert find_image("debian-12@1") == old


@pytest.mark.parametrize("wanted", ["debian-13", "debian-12@9", "", "@1", "debian-12@2", "x" * 5_000])
def test_what_is_not_there_is_refused_naming_what_is(wanted: str) -> None:
    _, disabled = versions("1", "2")
    set_image_state(actor=OPERATOR, image=disabled, state=Image.State.DISABLED)
    versions("1", slug="alpine")
    with pytest.raises(ImageUnavailable, match="choose one of alpine, debian-12") as refusal:
        find_image(wanted)
    assert [error.field for error in refusal.value.errors] == ["image"]
    assert len(refusal.value.detail) < 300


def test_without_any_image_it_says_so() -> None:
    with pytest.raises(ImageUnavailable, match="none yet"):
        find_image("debian-12")
    with pytest.raises(ImageUnavailable, match="none yet"):
        find_any_image("debian-12")


def test_operators_find_disabled_ones_too() -> None:
    old, new = versions("1", "2")
    set_image_state(actor=OPERATOR, image=new, state=Image.State.DISABLED)
    assert find_any_image("debian-12") == new
    assert find_any_image("debian-12@1") == old
    with pytest.raises(ImageUnavailable, match="debian-12@2, debian-12@1"):
        find_any_image("debian-12@3")


def test_disabling_and_enabling_are_repeatable_and_audited_once() -> None:
    image = make_image()
    for state in (Image.State.DISABLED, Image.State.DISABLED, Image.State.ACTIVE, Image.State.ACTIVE):
        assert set_image_state(actor=OPERATOR, image=image, state=state).state == state
    actions = AuditEntry.objects.filter(target_type="image").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["image.disabled", "image.active"]


def test_customers_register_and_disable_nothing() -> None:
    image = make_image()
    with pytest.raises(Forbidden):
        register_image(actor=CUSTOMER, built=BUILT)
    with pytest.raises(Forbidden):
        set_image_state(actor=CUSTOMER, image=image, state=Image.State.DISABLED)
    assert Image.objects.get().state == Image.State.ACTIVE
