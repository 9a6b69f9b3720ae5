"""The hypervisor contract over classic LXC on a Debian host reached by SSH. One command a verb."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

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
from pods.gear.hypervisor.base import (
    Capabilities,
    Cargo,
    FirstBoot,
    GuestObservation,
    GuestSpec,
    HostFacts,
    ImageRef,
    Inventory,
    Power,
    Progress,
    Readable,
)
from pods.gear.hypervisor.grammar import check_guest_id, check_image, check_image_key, check_spec
from pods.gear.hypervisor.lxc import parse, probe
from pods.gear.hypervisor.lxc.bundle import LOST, bundle, frames
from pods.gear.hypervisor.lxc.render import UID_BASE, UIDS, RawLimits, files, port_prefix
from pods.gear.transport import Command, CommandResult, Output, Runner

QUESTION_S = 20.0
HEARTBEAT_S = 5.0  # what takes longer than this to answer is not well
CHANGE_S = 120.0  # includes up to 60 s of waiting for another command on the same guest
IMAGE_S = 1800.0
MEASURE_S = 1800.0
MOVE_S = 6 * 3600.0
_ERRORS: dict[int, type[GearError]] = {
    70: StaleFence,
    71: GearUnreachable,
    72: NoSuchGuest,
    73: GuestExists,
    74: GearRefused,
    75: GearRefused,
    76: ImageBroken,
    77: DiskFull,
    78: CargoDamaged,
}
_CAPABILITIES = Capabilities(
    kinds=frozenset({"zone"}),
    live_limits=True,
    enforces=frozenset({"memory", "cpu", "disk", "processes", "spoofing"}),
)


class LxcHypervisor:
    """One host. `store` holds images, roots and fences; on btrfs or ZFS guests are cloned at once and disks limited."""

    def __init__(self, runner: Runner, *, store: str = "/var/lib/mcp/store", lxc_path: str = "/var/lib/lxc") -> None:
        self._runner = runner
        self._store = store
        self._lxc_path = lxc_path

    @property
    def capabilities(self) -> Capabilities:
        """Disk limits need a store on btrfs or ZFS: `probe` says if they are missing, observations repeat it."""
        return _CAPABILITIES

    def probe(self) -> HostFacts:
        """See Hypervisor."""
        before = time.time()
        result = self._ask("probe")
        return probe.facts(result.text, self._store, asked_at=(before + time.time()) / 2)

    def heartbeat(self) -> str:
        """See Hypervisor."""
        question = Command("cat", "/proc/sys/kernel/random/boot_id")
        result = self._runner.run(question, timeout_s=HEARTBEAT_S, mutating=False, at_once=True)
        self._check(result, "heartbeat", mutating=False)
        return result.text.strip()

    def inventory(self) -> Inventory:
        """See Hypervisor."""
        taken_at = datetime.now(UTC)
        dump = parse.parse(self._ask("inventory", "*").text, self._store)
        guests = tuple(parse.observation(guest, dump.store_kind) for guest in dump.guests.values())
        return Inventory(taken_at=taken_at, guests=guests, images=dump.images)

    def observe(self, guest_id: str) -> GuestObservation | None:
        """See Hypervisor."""
        return self._seen(guest_id, self._ask("observe", check_guest_id(guest_id)))

    def ensure_image(self, image: ImageRef, progress: Progress | None = None) -> None:
        """See Hypervisor."""
        check_image(image)
        if self._ask("has_image", image.key).text.strip() == "yes":
            return
        self._send_scripts()

        def sent(count: int) -> None:
            if progress is not None:
                progress("Copying the image to the host", min(0.9, 0.9 * count / image.size_bytes))

        command = self._command("add_image", image.key, image.sha256)
        try:
            result = self._runner.stream(command, image.path, timeout_s=IMAGE_S, sent=sent)
        except OSError as error:
            raise ImageBroken(f"The control plane's copy of image {image.key} cannot be read.") from error
        self._check(result, "add_image", mutating=True)
        if progress is not None:
            progress("Unpacked the image on the host", 1.0)

    def drop_image(self, key: str) -> None:
        """See Hypervisor."""
        self._change("drop_image", check_image_key(key))

    def create(self, spec: GuestSpec, *, fence: int) -> GuestObservation:
        """See Hypervisor."""
        return self._shape("create", spec, fence)

    def configure(self, spec: GuestSpec, *, fence: int) -> GuestObservation:
        """See Hypervisor. Name, keys and resolvers are files; addresses and the port's rules follow at the next start."""
        return self._shape("configure", spec, fence)

    def start(self, guest_id: str, *, fence: int) -> GuestObservation:
        """See Hypervisor."""
        result = self._change("start", check_guest_id(guest_id), str(fence))
        guest = self._guest(guest_id, result)
        self._check_confined(guest)
        return self._required(guest_id, result)

    def wait_listening(self, guest_id: str, port: int, timeout_s: float) -> bool:
        """See Hypervisor."""
        hundredths = str(max(0, math.ceil(timeout_s * 100)))
        arguments = ("wait", check_guest_id(guest_id), str(port), hundredths)
        return self._ask(*arguments, timeout_s=timeout_s + QUESTION_S).text.strip() == "yes"

    def stop(self, guest_id: str, *, fence: int, timeout_s: float) -> GuestObservation:
        """See Hypervisor."""
        seconds = str(max(0, math.ceil(timeout_s)))
        result = self._change("stop", check_guest_id(guest_id), str(fence), seconds, timeout_s=timeout_s + CHANGE_S)
        return self._required(guest_id, result)

    def destroy(self, guest_id: str, *, fence: int) -> None:
        """See Hypervisor."""
        self._change("destroy", check_guest_id(guest_id), str(fence), port_prefix(guest_id))

    def first_boot(self, guest_id: str) -> FirstBoot | None:
        """See Hypervisor."""
        result = self._ask("first_boot", check_guest_id(guest_id))
        head, _, output = result.stdout.partition(b"\n")
        if not head.startswith(b"exit="):
            return None
        return FirstBoot(int(head[5:]), output[-4096:].decode("utf-8", "replace"))

    def measure(self, guest_id: str) -> Cargo:
        """See Hypervisor."""
        words = self._ask("measure", check_guest_id(guest_id), timeout_s=MEASURE_S).text.split()
        if len(words) != 3:
            raise GearRefused(f"{self._runner.name}: the measure of guest {guest_id} is not understood.")
        return Cargo(int(words[0]), int(words[1]), words[2])

    @contextmanager
    def export(self, guest_id: str, *, fence: int) -> Iterator[Readable]:
        """See Hypervisor. A tar archive of the root, compressed by zstd, as it is read: nothing is kept in between."""
        command = self._command("export", check_guest_id(guest_id), str(fence))
        self._send_scripts()
        with self._runner.pull(command) as output:
            yield _Export(output, lambda result: self._check(result, "export", mutating=False))

    def receive(self, spec: GuestSpec, data: Readable, cargo: Cargo, *, fence: int) -> GuestObservation:
        """See Hypervisor."""
        check_spec(spec)
        if self._ask("has_root", spec.guest_id).text.strip() != "yes":
            self._send_scripts()
            disk = str(RawLimits.of(spec.limits).disk_bytes)
            expected = (str(cargo.entries), str(cargo.bytes), cargo.digest)
            command = self._command("receive", spec.guest_id, str(fence), disk, *expected)
            self._check(self._runner.push(command, data, timeout_s=MOVE_S), "receive", mutating=True)
        return self._shape("adopt", spec, fence)

    def close(self) -> None:
        """See Hypervisor."""
        self._runner.close()

    def _shape(self, verb: str, spec: GuestSpec, fence: int) -> GuestObservation:
        check_spec(spec)
        zone = f"{self._store}/zones/{spec.guest_id}"
        texts = files(spec, zone=zone, library=f"{self._store}/lib/{bundle().name}")
        if verb != "create":  # the first boot is over, or its script is there
            texts = [(name, data) for name, data in texts if name != "user-script"]
        base = UID_BASE + spec.uid_slot * UIDS
        result = self._change(
            verb,
            *(spec.guest_id, str(fence), str(base), spec.image.key),
            *RawLimits.of(spec.limits).arguments(),
            *(nic.address for nic in spec.nics),
            stdin=frames(texts),
        )
        return self._required(spec.guest_id, result)

    def _check_confined(self, guest: parse.Guest | None) -> None:
        """A guest that runs without its limits or its port's rules is an error, not a success."""
        if guest is None or parse.power_of(guest) is Power.STOPPED:
            return
        wanted, found = parse.configured_limits(guest), parse.live_limits(guest)
        if found is None or wanted != found:
            raise GearRefused(f"{self._runner.name}: {guest.name} runs with limits {found} instead of {wanted}.")
        if guest.ports < parse.nic_count(guest):
            raise GearRefused(f"{self._runner.name}: {guest.name} runs without anti-spoofing rules on its port.")

    def _guest(self, guest_id: str, result: CommandResult) -> parse.Guest | None:
        guest = parse.parse(result.text, self._store).guests.get(f"mcp-{guest_id}")
        exists = guest is not None and guest.guest_id is not None and (guest.here or guest.settings)
        return guest if exists else None

    def _seen(self, guest_id: str, result: CommandResult) -> GuestObservation | None:
        guest = self._guest(guest_id, result)
        return parse.observation(guest, parse.parse(result.text, self._store).store_kind) if guest else None

    def _required(self, guest_id: str, result: CommandResult) -> GuestObservation:
        seen = self._seen(guest_id, result)
        if seen is None:
            raise GearUnknown(f"{self._runner.name}: guest {guest_id} is not seen after the change.")
        return seen

    def _command(self, verb: str, *arguments: str) -> Command:
        return bundle().call(self._store, self._lxc_path, verb, *arguments)

    def _ask(self, verb: str, *arguments: str, timeout_s: float = QUESTION_S) -> CommandResult:
        return self._verb(verb, arguments, b"", timeout_s, mutating=False)

    def _change(self, verb: str, *arguments: str, stdin: bytes = b"", timeout_s: float = CHANGE_S) -> CommandResult:
        return self._verb(verb, arguments, stdin, timeout_s, mutating=True)

    def _verb(self, verb: str, arguments: tuple[str, ...], stdin: bytes, timeout_s: float, *, mutating: bool) -> CommandResult:
        command = self._command(verb, *arguments)
        result = self._runner.run(command, timeout_s=timeout_s, stdin=stdin, mutating=mutating)
        if result.exit_code == LOST:
            self._send_scripts()
            result = self._runner.run(command, timeout_s=timeout_s, stdin=stdin, mutating=mutating)
        self._check(result, verb, mutating=mutating)
        return result

    def _send_scripts(self) -> None:
        sent = self._runner.run(bundle().send(), timeout_s=QUESTION_S, stdin=bundle().archive, mutating=False)
        self._check(sent, "sending the scripts", mutating=False)

    def _check(self, result: CommandResult, verb: str, *, mutating: bool) -> None:
        if result.exit_code == 0:
            return
        said = result.last_words()
        context = {"host": self._runner.name, "verb": verb, "exit_code": result.exit_code, "said": said}
        if "No space left on device" in said or "Disk quota exceeded" in said:
            raise DiskFull(f"{self._runner.name}: the store is full during {verb}.", context=context)
        kind = _ERRORS.get(result.exit_code)
        if kind is None:  # killed, or a tool failed in the middle
            kind = GearUnknown if mutating and result.exit_code > 128 else GearRefused
        raise kind(f"{self._runner.name}: {verb}: {said or f'exit code {result.exit_code}'}.", context=context)


class _Export:
    """What a host sends of a guest. Its end is an end only if the command says that it sent all; else the driver's error."""

    def __init__(self, output: Output, check: Callable[[CommandResult], None]) -> None:
        self._output = output
        self._check = check

    def read(self, size: int, /) -> bytes:
        """See Readable."""
        data = self._output.read(size)
        if not data:
            self._check(self._output.result())
        return data
