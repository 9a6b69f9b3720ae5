"""The hypervisor contract over a simulated host. It refuses what a real host refuses."""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from pods.gear import errors
from pods.gear.errors import (
    CargoDamaged,
    DiskFull,
    GearError,
    GearRefused,
    GearUnknown,
    GearUnreachable,
    GuestExists,
    ImageBroken,
    NoSuchGuest,
    StaleFence,
)
from pods.gear.hypervisor import base
from pods.gear.hypervisor.grammar import check_guest_id, check_image, check_image_key, check_spec
from pods.gear.simulated import cargo
from pods.gear.simulated.pod import SimulatedPod
from pods.gear.simulated.state import Fault, GuestState, HostState

T = TypeVar("T")
_HANG_LIMIT_S = 120.0
_CAPABILITIES = base.Capabilities(
    kinds=frozenset({"zone", "vm"}),
    live_limits=True,
    enforces=frozenset({"memory", "cpu", "disk", "processes", "spoofing"}),
    moves_running=True,
)


class SimulatedHypervisor:
    """One simulated host; every instance on the same pod and name sees the same guests."""

    def __init__(self, pod: SimulatedPod, host: str) -> None:
        self._pod = pod
        self._host = host

    @property
    def capabilities(self) -> base.Capabilities:
        """Everything."""
        return _CAPABILITIES

    def probe(self) -> base.HostFacts:
        """See Hypervisor."""
        return self._call("probe", _facts)

    def heartbeat(self) -> str:
        """See Hypervisor."""
        return self._call("heartbeat", lambda state: state.boot_id)

    def inventory(self) -> base.Inventory:
        """See Hypervisor."""
        taken_at = datetime.now(UTC)

        def effect(state: HostState) -> base.Inventory:
            guests = tuple(_seen(state, guest) for guest in state.guests.values())
            return base.Inventory(taken_at=taken_at, guests=guests, images=tuple(state.images))

        return self._call("inventory", effect)

    def observe(self, guest_id: str) -> base.GuestObservation | None:
        """See Hypervisor."""

        def effect(state: HostState) -> base.GuestObservation | None:
            guest = state.guests.get(_name(guest_id))
            return _seen(state, guest) if guest and guest.guest_id else None

        return self._call("observe", effect)

    def ensure_image(self, image: base.ImageRef, progress: base.Progress | None = None) -> None:
        """See Hypervisor. Costs the delay of "ensure_image" only when the copy is not there yet."""
        check_image(image)
        if self._call("has_image", lambda state: image.key in state.images):
            return
        _check_bytes(image)
        self._call("ensure_image", lambda state: _add_image(state, image.key))
        if progress is not None:
            progress("Copied the image to the host", 1.0)

    def drop_image(self, key: str) -> None:
        """See Hypervisor."""
        check_image_key(key)
        self._call("drop_image", lambda state: state.images.remove(key) if key in state.images else None)

    def create(self, spec: base.GuestSpec, *, fence: int) -> base.GuestObservation:
        """See Hypervisor."""
        check_spec(spec)
        return self._call("create", lambda state: _seen(state, _create(state, spec, fence)))

    def start(self, guest_id: str, *, fence: int) -> base.GuestObservation:
        """See Hypervisor."""
        return self._call("start", lambda state: _seen(state, _start(state, guest_id, fence, self._pod.clock.now())))

    def wait_listening(self, guest_id: str, port: int, timeout_s: float) -> bool:
        """See Hypervisor. A guest listens the "boot" delay after its start."""
        deadline = self._pod.clock.now() + timeout_s
        while True:
            left = self._call("wait_listening", lambda state: _until_listening(state, guest_id, port, self._pod.clock.now()))
            if left is not None and left <= 0:
                return True
            if self._pod.clock.now() >= deadline:
                return False
            self._pod.clock.sleep(min(left or 0.05, max(0.001, deadline - self._pod.clock.now())))

    def stop(self, guest_id: str, *, fence: int, timeout_s: float) -> base.GuestObservation:
        """See Hypervisor."""
        return self._call("stop", lambda state: _seen(state, _stop(state, guest_id, fence)))

    def configure(self, spec: base.GuestSpec, *, fence: int) -> base.GuestObservation:
        """See Hypervisor."""
        check_spec(spec)
        return self._call("configure", lambda state: _seen(state, _configure(state, spec, fence)))

    def destroy(self, guest_id: str, *, fence: int) -> None:
        """See Hypervisor."""

        def effect(state: HostState) -> None:
            _pass_fence(state, guest_id, fence)
            _refuse_foreign(state, guest_id)
            state.guests.pop(_name(guest_id), None)

        self._call("destroy", effect)

    def first_boot(self, guest_id: str) -> base.FirstBoot | None:
        """See Hypervisor."""

        def effect(state: HostState) -> base.FirstBoot | None:
            guest = state.guests.get(_name(guest_id))
            return base.FirstBoot(*guest.first_boot) if guest and guest.first_boot else None

        return self._call("first_boot", effect)

    def measure(self, guest_id: str) -> base.Cargo:
        """See Hypervisor."""
        return self._call("measure", lambda state: cargo.measured(cargo.packed(_existing(state, guest_id))))

    @contextmanager
    def export(self, guest_id: str, *, fence: int) -> Iterator[base.Readable]:
        """See Hypervisor."""
        yield io.BytesIO(self._call("export", lambda state: _export(state, guest_id, fence)))

    def receive(self, spec: base.GuestSpec, data: base.Readable, cargo: base.Cargo, *, fence: int) -> base.GuestObservation:
        """See Hypervisor."""
        check_spec(spec)
        sent = b"".join(iter(lambda: data.read(2**16), b"")) if self.observe(spec.guest_id) is None else None
        return self._call("receive", lambda state: _seen(state, _receive(state, spec, sent, cargo, fence)))

    def close(self) -> None:
        """Nothing is held."""

    def _call(self, verb: str, effect: Callable[[HostState], T]) -> T:
        with self._open() as state:
            fault = state.take_fault(verb)
            delay = state.delays.get(verb, 0.0)
            if fault is None and not delay:
                return effect(state)
        self._pod.clock.sleep(delay)
        if fault is not None and not fault.after_effect:
            self._suffer(fault)
        with self._open() as state:
            answer = effect(state)
        if fault is not None and fault.after_effect:
            self._suffer(fault)
        return answer

    def _open(self) -> _Opened:
        return _Opened(self._pod, self._host)

    def _suffer(self, fault: Fault) -> None:
        if not fault.hang:
            kind: type[GearError] = getattr(errors, fault.error)
            raise kind(fault.detail)
        deadline = time.monotonic() + _HANG_LIMIT_S
        while time.monotonic() < deadline:
            with self._open() as state:
                if fault.hang in state.released:
                    state.released.remove(fault.hang)
                    return
            time.sleep(0.005)
        raise GearUnknown(f"{self._host}: {fault.verb} hung and was never released.")


class _Opened:
    """The host held alone, if it answers at all."""

    def __init__(self, pod: SimulatedPod, host: str) -> None:
        self._host = host
        self._change = pod.store.change(host)

    def __enter__(self) -> HostState:
        try:
            state = self._change.__enter__()
        except KeyError:
            raise GearUnreachable(f"{self._host}: there is no such simulated host.") from None
        if state.down:
            self._change.__exit__(None, None, None)
            raise GearUnreachable(f"{self._host} does not answer (simulated).")
        return state

    def __exit__(self, *exc: object) -> bool | None:
        return self._change.__exit__(*exc)  # type: ignore[arg-type]  # passes on what `with` gave


def _name(guest_id: str) -> str:
    return f"mcp-{check_guest_id(guest_id)}"


def _seen(state: HostState, guest: GuestState) -> base.GuestObservation:
    return guest.seen(state.fences.get(guest.guest_id or "", 0))


def _facts(state: HostState) -> base.HostFacts:
    return base.HostFacts(
        cpus=state.cpus,
        memory_mib=state.memory_mib,
        disk_gib=state.disk_gib,
        store_kind="simulated",
        cgroup_version=2,
        substrate="simulated 1",
        kernel="simulated",
        architecture="x86_64",
        clock_skew_ms=state.clock_skew_ms,
        boot_id=state.boot_id,
        bridges=tuple(state.bridges),
    )


def _pass_fence(state: HostState, guest_id: str, fence: int) -> None:
    check_guest_id(guest_id)
    seen = state.fences.get(guest_id, 0)
    if fence < seen:
        raise StaleFence(f"Fence {fence} is older than {seen}, seen before for guest {guest_id}.")
    state.fences[guest_id] = fence


def _existing(state: HostState, guest_id: str) -> GuestState:
    guest = state.guests.get(_name(guest_id))
    if guest is None or guest.guest_id is None:
        raise NoSuchGuest(f"{state.name} has no guest {guest_id}.")
    return guest


def _check_bytes(image: base.ImageRef) -> None:
    """As a host would; an image that exists on paper only (size 1, for benchmarks) is taken at its word."""
    if image.size_bytes == 1:
        return
    try:
        with image.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageBroken(f"The control plane's copy of image {image.key} cannot be read.") from error
    if found != image.sha256:
        raise ImageBroken(f"The bytes of image {image.key} do not match its checksum.")


def _refuse_foreign(state: HostState, guest_id: str) -> None:
    guest = state.guests.get(_name(guest_id))
    if guest is not None and guest.guest_id is None:
        raise GuestExists(f"{state.name}: {guest.name} exists and is not ours.")


def _add_image(state: HostState, key: str) -> None:
    if key not in state.images:
        state.images.append(key)


def _create(state: HostState, spec: base.GuestSpec, fence: int) -> GuestState:
    _pass_fence(state, spec.guest_id, fence)
    name = _name(spec.guest_id)
    _refuse_foreign(state, spec.guest_id)
    guest = state.guests.get(name)
    _check_room(state, spec)
    if guest is None:
        if spec.image.key not in state.images:
            raise GearRefused(f"{state.name} has no copy of image {spec.image.key}.")
        guest = GuestState(name, spec.guest_id, spec.limits, spec.uid_slot, spec.image.key, user_script=spec.user_script)
        state.guests[name] = guest
    guest.converge(spec)
    return guest


def _export(state: HostState, guest_id: str, fence: int) -> bytes:
    guest = _existing(state, guest_id)
    _pass_fence(state, guest_id, fence)
    if guest.running:
        raise GearRefused(f"{state.name}: {guest.name} runs; stop it first.")
    return cargo.packed(guest)


def _receive(state: HostState, spec: base.GuestSpec, sent: bytes | None, expected: base.Cargo, fence: int) -> GuestState:
    _pass_fence(state, spec.guest_id, fence)
    _refuse_foreign(state, spec.guest_id)
    _check_room(state, spec)
    guest = state.guests.get(_name(spec.guest_id))
    if guest is None:
        if sent is None or cargo.measured(sent) != expected:
            raise CargoDamaged(f"{state.name}: what arrived of guest {spec.guest_id} is not what was sent.")
        guest = GuestState(_name(spec.guest_id), spec.guest_id, spec.limits, spec.uid_slot, spec.image.key)
        cargo.unpack(guest, sent)
        state.guests[guest.name] = guest
    guest.converge(spec)
    return guest


def _check_room(state: HostState, spec: base.GuestSpec) -> None:
    others = [guest for guest in state.guests.values() if guest.guest_id != spec.guest_id]
    for guest in others:
        if guest.uid_slot == spec.uid_slot:
            raise GearRefused(f"{state.name}: uid slot {spec.uid_slot} belongs to {guest.name}.")
        if taken := set(guest.addresses) & {nic.address for nic in spec.nics}:
            raise GearRefused(f"{state.name}: address {taken.pop()} belongs to {guest.name}.")
    for nic in spec.nics:
        if nic.bridge not in state.bridges:
            raise GearRefused(f"{state.name} has no bridge {nic.bridge}.")
    itself = state.guests.get(_name(spec.guest_id))
    _check_memory(state, spec.guest_id, spec.limits.memory_mib, runs=itself is not None and itself.running)
    disk = sum(guest.limits.disk_gib for guest in others) + spec.limits.disk_gib
    if disk > state.disk_gib * state.disk_overcommit:
        raise DiskFull(f"{state.name} has no room left for {spec.limits.disk_gib} GiB.")


def _check_memory(state: HostState, guest_id: str, memory_mib: int, *, runs: bool) -> None:
    """Only what runs takes memory; what does not need only fit the machine."""
    running = [guest for guest in state.guests.values() if guest.running and guest.guest_id != guest_id] if runs else []
    others = sum(guest.limits.memory_mib for guest in running)
    if others + memory_mib > state.memory_mib * state.memory_overcommit:
        raise GearRefused(f"{state.name} has no memory left for {memory_mib} MiB.")


def _start(state: HostState, guest_id: str, fence: int, now: float) -> GuestState:
    guest = _existing(state, guest_id)
    _pass_fence(state, guest_id, fence)
    if not guest.running:
        _check_memory(state, guest_id, guest.limits.memory_mib, runs=True)
    guest.autostart = guest.guarded = True
    if not guest.running:
        guest.running = True
        guest.booted_at = now
        if guest.user_script and guest.first_boot is None:
            guest.first_boot = _pretend_to_run(guest.user_script)
    return guest


def _pretend_to_run(script: str) -> tuple[int, str]:
    """What a script of plain `echo` and `exit` lines would print and return."""
    code = re.search(r"^exit (\d+)$", script, re.MULTILINE)
    echoed = re.findall(r"^echo ['\"]?(.*?)['\"]?$", script, re.MULTILINE)
    return int(code[1]) if code else 0, "".join(f"{line}\n" for line in echoed)[-4096:]


def _stop(state: HostState, guest_id: str, fence: int) -> GuestState:
    guest = _existing(state, guest_id)
    _pass_fence(state, guest_id, fence)
    guest.running = guest.autostart = False
    return guest


def _configure(state: HostState, spec: base.GuestSpec, fence: int) -> GuestState:
    guest = _existing(state, spec.guest_id)
    _pass_fence(state, spec.guest_id, fence)
    _check_room(state, spec)
    guest.converge(spec)
    return guest


def _until_listening(state: HostState, guest_id: str, port: int, now: float) -> float | None:
    """Seconds until it listens, or None if it will not."""
    guest = state.guests.get(_name(guest_id))
    if guest is None or not guest.running or (port and port not in guest.listening):
        return None
    return max(0.0, state.delays.get("boot", 0.0) - (now - guest.booted_at))
