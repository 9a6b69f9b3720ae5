"""What goes in and out of `/accelerators`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accelerators.api.plans import PriceShape
from accelerators.models.accelerator import POWER
from accelerators.services.wish import MAX_COUNT, MAX_SCRIPT_BYTES, POLICIES
from accelerators.states import PreemptReason, State
from accounts.api.account import LimitShape
from accounts.api.operations import OperationShape
from mcp.api.fields import Flag, Number, StrictSerializer, Text, TextMap
from pods.models.allocation import Spread


class PowerShape(serializers.Serializer[Any]):
    """What is wanted, and what the host last showed."""

    wanted = serializers.ChoiceField(choices=POWER)
    observed = serializers.ChoiceField(choices=POWER)
    observed_at = serializers.DateTimeField(allow_null=True)


class AddressShape(serializers.Serializer[Any]):
    """An address of an accelerator."""

    address = serializers.CharField()
    family = serializers.ChoiceField(choices=["ipv4", "ipv6"])
    network = serializers.CharField()
    primary = serializers.BooleanField()


class KeyShape(serializers.Serializer[Any]):
    """A key that it lets in."""

    fingerprint = serializers.CharField()
    public_key = serializers.CharField()


class FailureShape(serializers.Serializer[Any]):
    """Why it could not be made."""

    code = serializers.CharField()
    message = serializers.CharField()


class AcceleratorShape(serializers.Serializer[Any]):
    """A machine of your own."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["zone", "vm"])
    state = serializers.ChoiceField(choices=State.choices, help_text="The names on -ing pass by themselves.")
    power = PowerShape()
    plan = serializers.CharField()
    image = serializers.CharField(help_text="slug@version")
    pod = serializers.CharField()
    memory_mib = serializers.IntegerField()
    vcpus = serializers.CharField()
    disk_gib = serializers.IntegerField()
    addresses = AddressShape(many=True)
    dns_names = serializers.ListField(child=serializers.CharField())
    tags = serializers.DictField(child=serializers.CharField())
    metadata = serializers.DictField(child=serializers.CharField())
    ssh_keys = KeyShape(many=True)
    protected = serializers.BooleanField()
    group = serializers.CharField()
    spread = serializers.ChoiceField(choices=Spread.choices)
    spread_limit = serializers.IntegerField()
    spread_policy = serializers.ChoiceField(choices=POLICIES)
    near = serializers.CharField()
    near_policy = serializers.ChoiceField(choices=POLICIES)
    preemptible = serializers.BooleanField(help_text="Stopped with notice when a firm plan needs its room.")
    preempt_at = serializers.DateTimeField(allow_null=True, help_text="Under notice: when it will be stopped to give room back.")
    preempt_reason = serializers.ChoiceField(choices=PreemptReason.choices, allow_blank=True, help_text="Why it goes, or went.")
    preempted_at = serializers.DateTimeField(allow_null=True, help_text="When it was stopped so; null once it was started again.")
    price = PriceShape()
    first_boot_exit = serializers.IntegerField(allow_null=True, help_text="How the user script ended.")
    failure = FailureShape(allow_null=True)
    trash_until = serializers.DateTimeField(allow_null=True, help_text="When it is deleted for good.")
    created_at = serializers.DateTimeField()
    revision = serializers.IntegerField(help_text="The first part of the ETag.")
    operation = OperationShape(allow_null=True, help_text="What is being done to it, or was done last.")


class AcceleratorsMade(serializers.Serializer[Any]):
    """The answer to a create with `count` above 1."""

    results = AcceleratorShape(many=True)
    count = serializers.IntegerField()


class NewAccelerator(StrictSerializer):
    """What to make."""

    name = Text(max_length=63, help_text="a-z, 0-9 and -, beginning with a letter; with a count, NAME-1, NAME-2 and so on.")
    plan = Text(max_length=48, help_text="See /plans.")
    image = Text(max_length=81, help_text="See /images: slug for the newest version, or slug@version.")
    pod = Text(max_length=24, required=False, help_text="See /pods; wherever there is room unless told.")
    count = Number(required=False, help_text=f"1 to {MAX_COUNT}, all or none.")
    location = Text(max_length=80, required=False, help_text="Only in pods of that location; see /pods.")
    as_many_as_fit = Flag(required=False, help_text="With a count: as many as fit instead of all or none.")
    group = Text(max_length=64, required=False, help_text="Accelerators that belong together, over several requests.")
    spread = serializers.ChoiceField(
        choices=Spread.choices, required=False,
        help_text="How members of a group keep apart; as the group does it already unless told, else none.",
    )  # fmt: skip
    spread_limit = Number(required=False, help_text="Members of the group a host (or pod) at most; 1 unless told.")
    spread_policy = serializers.ChoiceField(choices=POLICIES, required=False, help_text="Whether the spread must hold.")
    near = Text(max_length=64, required=False, help_text="The group whose hosts it is to share.")
    near_policy = serializers.ChoiceField(choices=POLICIES, required=False, help_text="Whether nearness must hold.")
    ssh_keys = serializers.ListField(
        child=Text(max_length=16_384), required=False, allow_null=True, max_length=50,
        help_text="By name, id or fingerprint, or as text; all keys of the account unless told.",
    )  # fmt: skip
    user_script = Text(
        max_length=MAX_SCRIPT_BYTES, required=False, allow_blank=True, trim_whitespace=False,
        help_text="Run once as root at first boot; begins with #!. Its end appears on the timeline.",
    )  # fmt: skip
    tags = TextMap(required=False, help_text="Labels to select by: ?tag.KEY=VALUE.")
    metadata = TextMap(required=False, help_text="Your own notes.")
    protected = Flag(required=False, help_text="Refuse deletion until this is false.")
    networks = serializers.ListField(
        child=Text(max_length=64), required=False, max_length=0, help_text="Reserved; leave it out or send [].",
    )  # fmt: skip


class AcceleratorEdit(StrictSerializer):
    """What may be changed without a machine. Tags and metadata replace what was there."""

    name = Text(max_length=63, required=False)
    tags = TextMap(required=False)
    metadata = TextMap(required=False)
    protected = Flag(required=False)


class PriceDifference(serializers.Serializer[Any]):
    """How the bill would change."""

    hourly = serializers.CharField()
    monthly = serializers.CharField()
    yearly = serializers.CharField()
    currency = serializers.CharField()


class DryRunShape(serializers.Serializer[Any]):
    """What `?dry_run=true` answers, with 200."""

    dry_run = serializers.BooleanField()
    steps = serializers.ListField(child=serializers.CharField())
    price = PriceDifference(allow_null=True)
    limits_after = LimitShape(many=True, allow_null=True)
    placement = serializers.JSONField(allow_null=True)
    resource = serializers.JSONField(allow_null=True)
