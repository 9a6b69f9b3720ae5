"""Images that guests are made from, and their copies on hosts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from mcp.ids import new_id
from pods.gear.hypervisor.base import ImageRef
from pods.models.host import Host
from pods.models.traits import check_traits


class Image(models.Model):
    """One version of an image; a slug without a version means its newest active one."""

    class State(models.TextChoices):
        """A disabled image makes nothing new; what runs of it goes on."""

        ACTIVE = "active"
        DISABLED = "disabled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=48)
    version = models.CharField(max_length=32)
    kind = models.CharField(max_length=8, choices=[("zone", "zone"), ("vm", "vm")], default="zone")
    os = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    file = models.CharField(max_length=120, help_text="File name below MCP_IMAGE_DIR.")
    min_memory_mib = models.PositiveIntegerField(default=0)
    min_disk_gib = models.PositiveIntegerField(default=1)
    required_traits = models.JSONField(default=list, blank=True, help_text="What a host must have to run it.")
    ready_port = models.PositiveIntegerField(default=22, help_text="Listening there means ready; 0 means init is up.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["slug", "-created_at"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["slug", "version"], name="one_image_a_version")]

    def __str__(self) -> str:
        return f"{self.slug} {self.version}"

    def clean(self) -> None:
        """Raises ValidationError for words that are no traits."""
        check_traits(required_traits=self.required_traits)

    @property
    def ref(self) -> ImageRef:
        """The image as drivers know it."""
        path = Path(settings.IMAGE_DIR) / self.file
        return ImageRef(self.slug, self.version, self.sha256, self.size_bytes, path)


class ImageCopy(models.Model):
    """A verified copy of an image on a host; placement prefers hosts that have one."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="copies")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="image_copies")
    verified_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "image copies"
        constraints: ClassVar = [models.UniqueConstraint(fields=["image", "host"], name="one_copy_a_host")]

    def __str__(self) -> str:
        return f"{self.image} on {self.host}"
