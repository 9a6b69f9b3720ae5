"""Networks of a pod and the addresses given out on them."""

from __future__ import annotations

import ipaddress
from typing import ClassVar

from django.db import models
from django.utils import timezone

from mcp.ids import new_id
from pods.models.pod import Pod
from pods.states import AddressState


class Network(models.Model):
    """One L2 segment with one IPv4 range. `next_offset` is the first address never given out yet."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="networks")
    slug = models.CharField(max_length=32, default="public")
    cidr = models.CharField(max_length=18)
    gateway = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True)
    range_first = models.GenericIPAddressField(protocol="IPv4")
    range_last = models.GenericIPAddressField(protocol="IPv4")
    bridge = models.CharField(max_length=15, default="br0", help_text="The bridge on every host of the pod.")
    next_offset = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["pod", "slug"], name="one_network_a_name")]

    def __str__(self) -> str:
        return f"{self.slug} {self.cidr}"

    @property
    def prefix_length(self) -> int:
        """Bits of the network part."""
        return ipaddress.IPv4Network(self.cidr).prefixlen

    @property
    def size(self) -> int:
        """How many addresses can be given out."""
        return int(ipaddress.IPv4Address(self.range_last)) - int(ipaddress.IPv4Address(self.range_first)) + 1


class Address(models.Model):
    """An address that has been given out at least once. Who held it, and when it may be given out again."""

    id = models.BigAutoField(primary_key=True)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="addresses")
    ip = models.GenericIPAddressField(protocol="IPv4")
    state = models.CharField(max_length=16, choices=AddressState.choices)
    holder_id = models.UUIDField(null=True, blank=True)
    account_id = models.UUIDField(null=True, blank=True)
    free_from = models.DateTimeField(null=True, blank=True, help_text="When a resting address may be given out again.")
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "addresses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "ip"], name="one_holder_an_address"),
            models.CheckConstraint(
                condition=models.Q(state="assigned", holder_id__isnull=False)
                | models.Q(state="quarantined", holder_id__isnull=True),
                name="assigned_address_has_a_holder",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["holder_id"], name="address_of_holder"),
            models.Index(fields=["network", "free_from"], name="address_resting", condition=models.Q(state="quarantined")),
        ]

    def __str__(self) -> str:
        return str(self.ip)
