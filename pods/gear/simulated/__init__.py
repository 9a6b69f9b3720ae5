"""A pod without machines: ships as a real driver for trying things out, and carries tests and benchmarks."""

from pods.gear.simulated.clock import ManualClock, RealClock
from pods.gear.simulated.hypervisor import SimulatedHypervisor
from pods.gear.simulated.pod import SimulatedHost, SimulatedPod
from pods.gear.simulated.state import HostState
from pods.gear.simulated.store import DirectoryStore, MemoryStore

__all__ = [
    "DirectoryStore",
    "HostState",
    "ManualClock",
    "MemoryStore",
    "RealClock",
    "SimulatedHost",
    "SimulatedHypervisor",
    "SimulatedPod",
]
