"""A simulated pod: named hosts that outlive driver instances, and the hand that makes things go wrong."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pods.gear.errors import GearError, GearUnknown
from pods.gear.hypervisor.base import Limits
from pods.gear.simulated.clock import Clock, RealClock
from pods.gear.simulated.state import Fault, GuestState, HostState
from pods.gear.simulated.store import DirectoryStore, MemoryStore, Store

_pods: dict[str, SimulatedPod] = {}
_pods_lock = threading.Lock()


class SimulatedPod:
    """A world of simulated hosts."""

    def __init__(self, store: Store | None = None, clock: Clock | None = None) -> None:
        self.store: Store = store or MemoryStore()
        self.clock: Clock = clock or RealClock()

    @classmethod
    def named(cls, name: str) -> SimulatedPod:
        """The pod of that name, made when first asked for.

        A name that is an absolute path keeps its hosts in that directory, shared with every process that names it.
        """
        with _pods_lock:
            if name not in _pods:
                _pods[name] = cls(DirectoryStore(Path(name)) if name.startswith("/") else None)
            return _pods[name]

    @staticmethod
    def forget(name: str) -> None:
        """Drop a named pod from this process (a directory stays)."""
        with _pods_lock:
            _pods.pop(name, None)

    def add_host(self, name: str, **facts: Any) -> SimulatedHost:
        """A host with the given fields of HostState; one of that name that exists stays as it is."""
        self.store.add(HostState(name=name, **facts))
        return SimulatedHost(self, name)

    def host(self, name: str) -> SimulatedHost:
        """The hand on one host."""
        return SimulatedHost(self, name)

    def hosts(self) -> list[SimulatedHost]:
        """All of them, by name."""
        return [SimulatedHost(self, name) for name in self.store.names()]


class SimulatedHost:
    """The operator's fault panel of one host; everything here happens behind MCP's back."""

    def __init__(self, pod: SimulatedPod, name: str) -> None:
        self.pod = pod
        self.name = name

    def state(self) -> HostState:
        """A copy of all it remembers."""
        with self.pod.store.change(self.name) as state:
            return copy.deepcopy(state)

    def fail_next(self, verb: str, error: type[GearError] = GearUnknown, *, after_effect: bool = False, times: int = 1) -> None:
        """The next calls of a verb raise; with `after_effect` the change is made all the same."""
        fault = Fault(verb, error.__name__, f"{self.name}: simulated failure of {verb}.", after_effect)
        self._change(lambda state: state.faults.extend([fault] * times))

    def hang_next(self, verb: str, *, after_effect: bool = False) -> str:
        """The next call of a verb waits until `release` is called with the answered id."""
        ticket = uuid.uuid4().hex
        self._change(lambda state: state.faults.append(Fault(verb, "", "", after_effect, hang=ticket)))
        return ticket

    def release(self, ticket: str) -> None:
        """Let a hanging call go on."""
        self._change(lambda state: state.released.append(ticket))

    def delay(self, verb: str, seconds: float) -> None:
        """Every call of a verb takes that long; the verb "boot" is the time until a guest listens."""
        self._change(lambda state: state.delays.update({verb: seconds}))

    def go_down(self) -> None:
        """Cut the host off; guests run on."""
        self._change(lambda state: setattr(state, "down", True))

    def come_up(self) -> None:
        """Undo `go_down`."""
        self._change(lambda state: setattr(state, "down", False))

    def restart(self) -> None:
        """As after a power cut: a new boot id; what was wanted running runs again, the rest does not."""

        def effect(state: HostState) -> None:
            state.boot_id = str(uuid.uuid4())
            state.down = False
            for guest in state.guests.values():
                guest.running = guest.autostart

        self._change(effect)

    def stop_guest(self, guest_id: str) -> None:
        """As by hand on the host, or by the customer inside."""
        self._change(lambda state: setattr(_find(state, guest_id), "running", False))

    def destroy_guest(self, guest_id: str) -> None:
        """As by hand on the host."""
        self._change(lambda state: state.guests.pop(_find(state, guest_id).name))

    def create_foreign(self, name: str, memory_mib: int = 256, *, running: bool = True) -> None:
        """A guest that MCP did not make."""
        guest = GuestState(name=name, guest_id=None, limits=Limits(memory_mib, 1.0, 1.0, 512), running=running)
        self._change(lambda state: state.guests.update({name: guest}))

    def destroy_foreign(self, name: str) -> None:
        """Undo `create_foreign`."""
        self._change(lambda state: state.guests.pop(name))

    def write_file(self, guest_id: str, path: str, text: str) -> None:
        """As its customer does, inside."""
        self._change(lambda state: _find(state, guest_id).files.update({path: text}))

    def change_limits(self, guest_id: str, limits: Limits) -> None:
        """As by hand on the host."""
        self._change(lambda state: setattr(_find(state, guest_id), "limits", limits))

    def drop_rules(self, guest_id: str) -> None:
        """Lose the anti-spoofing rules of a guest's ports, as when somebody reloads the host's firewall."""
        self._change(lambda state: setattr(_find(state, guest_id), "guarded", False))

    def drop_images(self) -> None:
        """Lose every image copy."""
        self._change(lambda state: state.images.clear())

    def _change(self, effect: Callable[[HostState], object]) -> None:
        with self.pod.store.change(self.name) as state:
            effect(state)


def _find(state: HostState, guest_id: str) -> GuestState:
    return next(guest for guest in state.guests.values() if guest.guest_id == guest_id)
