"""Guests have root and are hostile: limits hold, ports are guarded, nothing in a root leads out of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import GuestSpec, Limits, Power
from pods.gear.hypervisor.lxc.render import UID_BASE, UIDS, port_prefix
from pods.tests.gear.hypervisor.contract import eventually
from pods.tests.gear.hypervisor.lab_host import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture
def guests(lab_host: LabHost) -> Iterator[list[GuestSpec]]:
    """Two running guests on one bridge."""
    lab_host.hypervisor.ensure_image(lab_host.image)
    made = [lab_host.spec(), lab_host.spec()]
    for spec in made:
        lab_host.hypervisor.create(spec, fence=1)
        lab_host.hypervisor.start(spec.guest_id, fence=1)
        assert lab_host.hypervisor.wait_listening(spec.guest_id, 22, 20)
    yield made
    for spec in made:
        lab_host.hypervisor.destroy(spec.guest_id, fence=1_000)


@pytest.fixture
def guest(guests: list[GuestSpec]) -> GuestSpec:
    return guests[0]


class TestLimits:
    def test_root_inside_is_nobody_outside(self, lab_host: LabHost, guest: GuestSpec) -> None:
        mapping = lab_host.inside(guest.guest_id, "cat /proc/self/uid_map").text.split()
        assert mapping == ["0", str(UID_BASE + guest.uid_slot * UIDS), str(UIDS)]

    def test_memory_above_the_plan_is_refused(self, lab_host: LabHost, guest: GuestSpec) -> None:
        hog = "dd if=/dev/zero of=/dev/null bs=200M count=1"
        assert lab_host.inside(guest.guest_id, hog).exit_code != 0
        assert lab_host.inside(guest.guest_id, "dd if=/dev/zero of=/dev/null bs=8M count=1").exit_code == 0

    def test_a_fork_bomb_stays_inside(self, lab_host: LabHost, guest: GuestSpec) -> None:
        bomb = "i=0; while [ $i -lt 200 ]; do sleep 20 & i=$((i + 1)); done; wait"
        said = lab_host.inside(guest.guest_id, f"{bomb} 2>&1")
        assert said.exit_code != 0 or b"fork" in said.stdout
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.limits == guest.limits

    def test_a_write_past_the_disk_limit_fails(self, lab_host: LabHost, guest: GuestSpec) -> None:
        wrote = lab_host.inside(guest.guest_id, "dd if=/dev/urandom of=/big bs=1M count=400 && sync", timeout_s=60)
        assert wrote.exit_code != 0
        assert b"quota" in wrote.stderr.lower() or b"space" in wrote.stderr.lower()
        assert lab_host.inside(guest.guest_id, "rm /big; dd if=/dev/urandom of=/small bs=1M count=20 && sync").exit_code == 0

    def test_no_subvolume_of_its_own_escapes_the_disk_limit(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.sh('install -m 755 /usr/bin/btrfs "$1/rootfs/btrfs"', lab_host.zone(guest.guest_id))
        lab_host.sh(
            'for l in $(ldd /usr/bin/btrfs | grep -oE "/[^ ]+"); do mkdir -p "$1${l%/*}"; cp -L "$l" "$1$l"; done',
            f"{lab_host.zone(guest.guest_id)}/rootfs",
        )
        said = lab_host.inside(guest.guest_id, "/btrfs --version && /btrfs subvolume create /escape")
        assert b"btrfs-progs" in said.stdout
        assert b"not permitted" in said.stderr.lower()

    def test_it_cannot_raise_its_own_limits(self, lab_host: LabHost, guest: GuestSpec) -> None:
        tries = "for f in $(find /sys/fs/cgroup -name memory.limit_in_bytes -o -name memory.max -o -name pids.max); do "
        lab_host.inside(guest.guest_id, tries + 'echo 1000000000 >"$f"; done')
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.limits == guest.limits

    def test_limits_changed_behind_our_back_are_seen(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.sh(
            'f=$(find /sys/fs/cgroup -path "*/lxc.payload.$1/pids.max" | head -1); echo 99 >"$f"', f"mcp-{guest.guest_id}"
        )
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.limits == replace(guest.limits, processes=99)

    def test_a_limit_below_use_is_refused_with_the_reason(self, lab_host: LabHost, guest: GuestSpec) -> None:
        fill = "mkdir -p /mnt && mount -t tmpfs none /mnt && dd if=/dev/zero of=/mnt/x bs=1M count=40"
        assert lab_host.inside(guest.guest_id, fill).exit_code == 0
        tight = replace(guest, limits=replace(guest.limits, memory_mib=16))
        with pytest.raises(GearRefused, match="does not fit"):
            lab_host.hypervisor.configure(tight, fence=2)


class TestPort:
    """`guests[0]` turns against `guests[1]`; the machine outside (the gateway) is the judge."""

    def reaches_gateway(self, lab_host: LabHost, guest: GuestSpec) -> bool:
        said = lab_host.inside(guest.guest_id, f"ping -c 1 -W 1 {lab_host.pod.gateway}")
        return said.exit_code == 0

    def test_the_own_address_works(self, lab_host: LabHost, guests: list[GuestSpec]) -> None:
        assert all(self.reaches_gateway(lab_host, guest) for guest in guests)
        there = lab_host.inside(guests[0].guest_id, f"ping -c 1 -W 1 {guests[1].nics[0].address}")
        assert there.exit_code == 0

    def test_a_stolen_address_cannot_talk(self, lab_host: LabHost, guests: list[GuestSpec]) -> None:
        thief, victim = guests
        lab_host.hypervisor.stop(victim.guest_id, fence=1, timeout_s=5)
        nic = victim.nics[0]
        change = f"ip addr flush dev eth0; ip addr add {nic.address}/{nic.prefix_length} dev eth0"
        assert lab_host.inside(thief.guest_id, change).exit_code == 0
        assert not self.reaches_gateway(lab_host, thief)
        own = f"ip addr flush dev eth0; ip addr add {thief.nics[0].address}/{nic.prefix_length} dev eth0"
        lab_host.inside(thief.guest_id, own)
        assert self.reaches_gateway(lab_host, thief)

    def test_a_stolen_mac_cannot_talk_and_does_not_turn_the_bridge(self, lab_host: LabHost, guests: list[GuestSpec]) -> None:
        thief, victim = guests
        mac = victim.nics[0].mac
        change = f"ip link set eth0 down; ip link set eth0 address {mac}; ip link set eth0 up"
        assert lab_host.inside(thief.guest_id, change).exit_code == 0
        assert mac in lab_host.inside(thief.guest_id, "ip link show eth0").text
        assert not self.reaches_gateway(lab_host, thief)
        assert self.reaches_gateway(lab_host, victim)

    def test_no_arp_for_others(self, lab_host: LabHost, guests: list[GuestSpec]) -> None:
        """A second address beside the own one: ARP answers for it must not come out."""
        thief, victim = guests
        lab_host.hypervisor.stop(victim.guest_id, fence=1, timeout_s=5)
        nic = victim.nics[0]
        lab_host.inside(thief.guest_id, f"ip addr add {nic.address}/{nic.prefix_length} dev eth0")
        assert self.reaches_gateway(lab_host, thief)
        said = lab_host.inside(thief.guest_id, f"ping -c 1 -W 1 -I {nic.address} {lab_host.pod.gateway}")
        assert said.exit_code != 0

    def test_ipv6_and_dhcp_answers_are_dropped(self, lab_host: LabHost, guests: list[GuestSpec]) -> None:
        rules = lab_host.sh('nft list table netdev "mcp_$1"', f"{port_prefix(guests[0].guest_id)}0")
        assert "policy drop" in rules
        assert "udp sport 67 drop" in rules
        there = lab_host.inside(guests[0].guest_id, "ping -6 -c 1 -W 1 ff02::1%eth0")
        assert b"DUP" not in there.stdout

    def test_rules_removed_behind_our_back_are_seen_and_a_restart_mends(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.sh('nft delete table netdev "mcp_$1"', f"{port_prefix(guest.guest_id)}0")
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.guarded is False
        with pytest.raises(GearRefused, match="anti-spoofing"):
            lab_host.hypervisor.start(guest.guest_id, fence=1)
        lab_host.hypervisor.stop(guest.guest_id, fence=1, timeout_s=5)
        assert lab_host.hypervisor.start(guest.guest_id, fence=1).guarded is True

    def test_a_guest_that_reboots_itself_comes_back_guarded(self, lab_host: LabHost, guest: GuestSpec) -> None:
        born = "sed 's/.*) //' /proc/1/stat | cut -d' ' -f20"
        before = lab_host.inside(guest.guest_id, born).text
        lab_host.inside(guest.guest_id, "reboot -f &")
        assert eventually(lambda: lab_host.inside(guest.guest_id, born).text.strip() not in ("", before.strip()))
        assert lab_host.hypervisor.wait_listening(guest.guest_id, 22, 20)
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.guarded is True
        assert seen.limits == guest.limits
        # LXC 5.0 by itself would bring it back with every file belonging to nobody.
        assert lab_host.inside(guest.guest_id, "stat -c %u /etc /root/.ssh").text.split() == ["0", "0"]
        assert lab_host.inside(guest.guest_id, "echo back >/etc/proof && cat /etc/proof").text.strip() == "back"

    def test_a_guest_that_was_told_to_stop_while_it_reboots_stays_stopped(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.inside(guest.guest_id, "reboot -f &")
        lab_host.hypervisor.stop(guest.guest_id, fence=2, timeout_s=5)
        seen = lab_host.hypervisor.observe(guest.guest_id)
        assert seen is not None
        assert seen.power is Power.STOPPED
        assert not eventually(lambda: lab_host.hypervisor.wait_listening(guest.guest_id, 22, 0), 3)


TRAPS = {
    "etc is a link": "rm -rf /etc; ln -s /TARGET /etc",
    "hostname is a link": "ln -sf /TARGET/hostname /etc/hostname",
    "hostname is a pipe": "rm /etc/hostname; mkfifo /etc/hostname",
    "keys are a link upwards": "rm -rf /root/.ssh; ln -s ../../../../../../TARGET /root/.ssh",
}


class TestRootOfAHostileGuest:
    @pytest.mark.parametrize("trap", TRAPS)
    @pytest.mark.parametrize("running", [True, False])
    def test_configure_never_writes_outside(self, lab_host: LabHost, guest: GuestSpec, trap: str, running: bool) -> None:
        target = f"tmp/target-{guest.guest_id}"
        lab_host.sh('mkdir -p "/$1"', target)
        lab_host.inside(guest.guest_id, TRAPS[trap].replace("TARGET", target))
        if not running:
            lab_host.hypervisor.stop(guest.guest_id, fence=1, timeout_s=5)
        lab_host.hypervisor.configure(replace(guest, hostname="renamed"), fence=2)
        assert lab_host.sh('ls -A "/$1"', target) == ""
        assert "renamed" not in lab_host.sh("cat /etc/hostname")

    def test_a_directory_in_the_way_is_an_error_not_an_escape(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.inside(guest.guest_id, "rm -f /etc/hostname; mkdir -p /etc/hostname/full")
        with pytest.raises(GearRefused, match="root could not be written"):
            lab_host.hypervisor.configure(guest, fence=2)

    @pytest.mark.parametrize(
        "trap",
        [
            "ln -s /etc/shadow /var/lib/mcp/first-boot.log",
            "mkfifo /var/lib/mcp/first-boot.log",
            "mkdir /var/lib/mcp/first-boot.log",
            "ln -s /dev/zero /var/lib/mcp/first-boot.log",
        ],
    )
    def test_first_boot_never_reads_outside_or_hangs(self, lab_host: LabHost, guest: GuestSpec, trap: str) -> None:
        lab_host.inside(guest.guest_id, f"mkdir -p /var/lib/mcp; {trap}; echo 0 >/var/lib/mcp/first-boot.exit")
        ended = lab_host.hypervisor.first_boot(guest.guest_id)
        assert ended is not None
        assert (ended.exit_code, ended.output) == (0, "")

    def test_first_boot_reads_no_more_than_the_end(self, lab_host: LabHost, guest: GuestSpec) -> None:
        script = "mkdir -p /var/lib/mcp; cd /var/lib/mcp; yes | head -c 100000 >first-boot.log; printf END >>first-boot.log; "
        lab_host.inside(guest.guest_id, script + "echo 7 >first-boot.exit")
        ended = lab_host.hypervisor.first_boot(guest.guest_id)
        assert ended is not None
        assert len(ended.output) == 4096
        assert ended.output.endswith("END")

    @pytest.mark.parametrize("text", ["", "-1", "9999", "0; id", "exit=0"])
    def test_nonsense_in_place_of_an_exit_code_is_no_answer(self, lab_host: LabHost, guest: GuestSpec, text: str) -> None:
        lab_host.inside(guest.guest_id, 'mkdir -p /var/lib/mcp; printf %s "$1" >/var/lib/mcp/first-boot.exit', text)
        assert lab_host.hypervisor.first_boot(guest.guest_id) is None

    def test_a_root_full_of_traps_is_destroyed_whole(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.inside(guest.guest_id, "ln -s / /loop; mkfifo /pipe; mkdir -p /a/b; chmod 0 /a; trap '' TERM PWR")
        lab_host.hypervisor.destroy(guest.guest_id, fence=2)
        assert lab_host.sh('ls -d "$1" 2>/dev/null || true', lab_host.zone(guest.guest_id)) == ""

    def test_an_init_that_ignores_everything_is_killed_in_time(self, lab_host: LabHost, guest: GuestSpec) -> None:
        lab_host.inside(guest.guest_id, "kill -STOP 1; kill -STOP -1")
        assert lab_host.hypervisor.stop(guest.guest_id, fence=1, timeout_s=1).power is Power.STOPPED


def test_names_of_ports_fit_and_differ() -> None:
    names = {port_prefix(str(number)) for number in range(1_000)}
    assert len(names) == 1_000
    assert max(len(name) for name in names) + 1 <= 15


def test_plans_of_every_size_survive_the_round_trip(lab_host: LabHost) -> None:
    """What is set is read back to the same numbers, also for fractions."""
    sizes = itertools.product((64, 96), (0.125, 0.25, 1.0, 3.75), (0.25, 1.0), (64,))
    spec = lab_host.spec()
    lab_host.hypervisor.ensure_image(lab_host.image)
    for memory, vcpus, disk, processes in sizes:
        limits = Limits(memory, vcpus, disk, processes)
        assert lab_host.hypervisor.create(replace(spec, limits=limits), fence=1).limits == limits
    lab_host.hypervisor.destroy(spec.guest_id, fence=1)
