"""People, keys, pod, hosts and images of the demonstration, through the same services as everybody else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from accounts.actor import Actor, system
from accounts.models import Account, ApiKey, Membership, User
from accounts.permissions import Role
from accounts.services.accounts import open_account
from accounts.services.api_keys import find_live, issue
from accounts.services.ssh_keys import add_ssh_key
from demo.machine import Ground, Machine
from demo.secrets import password
from mcp.errors import Conflict
from pods.images.builder import build
from pods.images.recipe import load
from pods.images.store import BuiltImage
from pods.models import Host, Image, Pod
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod
from pods.services.images import register_image
from pods.states import HostDuty

ACCOUNT = "demo"
KEY_NAME = "make-up"
IMAGES = ("busybox", "debian-12")
Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Person:
    """A sign-in and a key."""

    user: str
    password: str
    key: str


def ensure_operator(known: Person) -> Person:
    """The operator of the installation."""
    user, secret = _ensure_user("operator", known.password, operator=True)
    return Person(user.username, secret, _ensure_key(None, user, known.key))


def ensure_customer(known: Person, public_key: str) -> Person:
    """The account `demo` with its owner, its key for programs and its SSH key."""
    user, secret = _ensure_user("demo", known.password)
    account = Account.objects.filter(slug=ACCOUNT).first()
    if account is None:
        account = open_account(actor=system("make up"), slug=ACCOUNT, name="Demonstration", owner=user)
    Membership.objects.get_or_create(account=account, user=user, defaults={"role": Role.OWNER})
    actor = Actor(label=user.username, account=account, role=Role.OWNER, user=user, source="make up")
    if not account.ssh_keys.filter(public_key=" ".join(public_key.split()[:2])).exists():
        account.ssh_keys.filter(name=KEY_NAME).delete()
        add_ssh_key(actor=actor, public_key=public_key, name=KEY_NAME)
    return Person(user.username, secret, _ensure_key(account, user, known.key))


def _ensure_user(name: str, known: str, *, operator: bool = False) -> tuple[User, str]:
    user = User.objects.filter(username=name).first() or User(username=name, is_staff=operator, is_superuser=operator)
    if known and user.check_password(known):
        return user, known
    secret = password()
    user.set_password(secret)
    user.save()
    return user, secret


def _ensure_key(account: Account | None, user: User, known: str) -> str:
    row = find_live(known) if known else None
    if row is not None and row.account_id == (account.pk if account else None):
        return known
    ApiKey.objects.filter(account=account, name=KEY_NAME, revoked_at__isnull=True).update(revoked_at=timezone.now())
    return issue(account=account, user=user, name=KEY_NAME)[1]


def ensure_pod(ground: Ground) -> Pod:
    """The pod with its network. Both hosts share this machine's memory, so each promises its part only."""
    pod = Pod.objects.filter(slug=ground.pod).first()
    if pod is not None:
        return pod
    network = NetworkWish(ground.cidr, ground.gateway, ground.range_first, ground.range_last)
    return add_pod(
        actor=system("make up"), slug=ground.pod, network=network, ssh_key=ground.ssh_key, resolvers=list(ground.resolvers),
        name="Pod in a box" if not ground.simulated else "Simulated pod", location="this machine",
        memory_overcommit=1.0 if ground.simulated else 1 / len(ground.machines), cpu_overcommit=16.0,
    )  # fmt: skip


def ensure_hosts(pod: Pod, ground: Ground) -> list[Host]:
    """Every machine enrolled, its host key pinned to the one the pod in a box made for it."""
    return [_ensure_host(pod, machine) for machine in ground.machines]


def _ensure_host(pod: Pod, machine: Machine) -> Host:
    present = Host.objects.filter(pod=pod, name=machine.name).exclude(duty=HostDuty.RETIRED).first()
    if present is None:
        wish = HostWish(
            address=machine.address, pod=pod, name=machine.name, driver=machine.driver, host_key=machine.host_key,
            options=dict(machine.options),
        )  # fmt: skip
        return add_host(actor=system("make up"), wish=wish)
    if (present.address, present.host_key) != (machine.address, machine.host_key):
        raise Conflict(f"{machine.name} was built anew since it was enrolled, and its guests are gone; run `make down PURGE=1`.")
    return present


def ensure_images(ground: Ground, directory: Path, tell: Tell) -> list[Image]:
    """Build (or take from earlier) and register; a simulated pod needs nothing but the record."""
    found = [_stand_in(slug, directory) if ground.simulated else build(slug, directory, tell) for slug in IMAGES]
    return [register_image(actor=system("make up"), built=built) for built in found]


def _stand_in(slug: str, directory: Path) -> BuiltImage:
    """The record of an image without its bytes: simulated hosts unpack nothing."""
    recipe = load(slug)
    return BuiltImage(
        slug=slug, version="simulated", path=directory / f"{slug}-simulated.tar.zst", size_bytes=1, os=recipe.os,
        sha256=hashlib.sha256(slug.encode()).hexdigest(), min_memory_mib=recipe.min_memory_mib,
        min_disk_gib=recipe.min_disk_gib, ready_port=recipe.ready_port, recipe_digest=recipe.digest,
    )  # fmt: skip
