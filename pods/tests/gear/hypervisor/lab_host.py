"""One host of the pod in a box as a contract harness, with ways to look and meddle inside."""

from __future__ import annotations

from pathlib import Path

from lab.pod import Pod
from pods.gear.hypervisor.base import ImageRef, Nic
from pods.gear.hypervisor.lxc.driver import LxcHypervisor
from pods.gear.transport import Command, CommandResult, Pool, SshRunner, SshTarget
from pods.images.store import BuiltImage
from pods.tests.gear.hypervisor.moving import MovingHarness


class LabHost(MovingHarness):
    """`sh` runs on the host, `inside` in a guest as its root."""

    def __init__(self, pod: Pod, image: BuiltImage, directory: Path) -> None:
        self.pod = pod
        self.host = pod.hosts[0]
        target = SshTarget(self.host.address, self.host.port, self.host.user, self.host.host_key, str(pod.ssh_key_path))
        self.pool = Pool()
        self.runner = SshRunner(target, self.pool)
        self.store = self.host.store
        self.hypervisor = LxcHypervisor(self.runner, store=self.store)
        self.image = ImageRef(image.slug, image.version, image.sha256, image.size_bytes, directory / image.path)

    def sh(self, script: str, *args: str, timeout_s: float = 30.0, check: bool = True) -> str:
        """A script on the host; its output."""
        result = self.runner.run(Command("sh", "-ec", script, "sh", *args), timeout_s=timeout_s, mutating=True)
        assert not check or result.exit_code == 0, result
        return result.text

    def inside(self, guest_id: str, script: str, *args: str, timeout_s: float = 30.0) -> CommandResult:
        """A script in a guest, as its root, whatever its exit code."""
        command = Command("lxc-attach", "-n", f"mcp-{guest_id}", "--clear-env", "--", "/bin/sh", "-c", script, "sh", *args)
        return self.runner.run(command, timeout_s=timeout_s, mutating=True)

    def write(self, guest_id: str, path: str, text: str) -> None:
        self.sh('printf %s "$3" >"$1$2"', f"{self.zone(guest_id)}/rootfs", path, text)

    def read(self, guest_id: str, path: str) -> str:
        return self.sh('cat "$1$2"', f"{self.zone(guest_id)}/rootfs", path)

    def restart(self) -> None:
        self.pod.restart_host(self.host.name)

    def stop_behind(self, guest_id: str) -> None:
        self.sh('lxc-stop -k -n "$1"; while grep -qF "/$1/command" /proc/net/unix; do sleep 0.01; done', f"mcp-{guest_id}")

    def make_foreign(self, name: str) -> None:
        self.sh(
            'mkdir "/var/lib/lxc/$1"; printf "lxc.uts.name = x\\nlxc.idmap = u 0 5000 65536\\n" >"/var/lib/lxc/$1/config"',
            name,
        )

    def remove_foreign(self, name: str) -> None:
        self.sh('rm -r "/var/lib/lxc/$1"', name)

    def address(self, number: int) -> Nic:
        address = self.pod.guest_pool[0] + number
        return Nic("", str(address), self.pod.subnet.prefixlen, str(self.pod.gateway), self.host.bridge)

    def zone(self, guest_id: str) -> str:
        """The guest's directory on the host."""
        return f"{self.store}/zones/{guest_id}"
