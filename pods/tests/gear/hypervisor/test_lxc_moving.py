"""Moving real roots: what a guest may put there, and what a move that was cut off leaves."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pods.gear.errors import CargoDamaged, DiskFull, GearError
from pods.gear.hypervisor.base import Cargo, GuestSpec, Power
from pods.tests.gear.hypervisor.lab_host import LabHost
from pods.tests.gear.hypervisor.moving import exported
from pods.tests.gear.hypervisor.test_lxc_half_states import clean_slate

pytestmark = pytest.mark.lab

# Everything that a file system can hold and a guest can make; then what tells whether it is still the same.
TRAPS = r"""
cd "$1/rootfs/root"
umask 022
mkdir -p deep/er; printf 'x' >"deep/er/a
b  c"; printf secret >locked; chmod 0000 locked
cp /bin/true suid; chown 12:34 suid; chmod 4755 suid
ln suid twin; ln -s /etc/shadow out; ln -s ../../../../../../etc up; mkfifo pipe
truncate -s 700M holes; printf end >>holes
python3 -c 'import os
os.setxattr("deep", "user.mark", b"kept")
os.setxattr("suid", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))'
touch -d '2001-02-03 04:05:06.789' locked; chown 65534:65534 deep
perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("plug"))'
"""
LOOK = r"""
cd "$1/rootfs/root"
stat -c '%n %F %a %u %g %h %s %Y' deep deep/er locked suid twin out up pipe holes
ls -l --time-style=full-iso locked; readlink out up
python3 -c 'import os
print(os.getxattr("deep", "user.mark"), os.getxattr("suid", "security.capability").hex())'
cat "deep/er/a
b  c"; [ suid -ef twin ] && echo same; [ "$(du -k holes | cut -f1)" -lt 1024 ] && echo sparse; tail -c 3 holes
"""


@pytest.fixture
def spec(lab_host: LabHost) -> Iterator[GuestSpec]:
    """A stopped guest full of traps."""
    lab_host.hypervisor.ensure_image(lab_host.image)
    made = lab_host.spec()
    lab_host.hypervisor.create(made, fence=1)
    lab_host.sh(TRAPS, lab_host.zone(made.guest_id))
    yield made
    lab_host.hypervisor.destroy(made.guest_id, fence=1_000)


def take_out(lab_host: LabHost, spec: GuestSpec) -> tuple[bytes, Cargo]:
    cargo = lab_host.hypervisor.measure(spec.guest_id)
    data = exported(lab_host.hypervisor, spec.guest_id, 2)
    lab_host.hypervisor.destroy(spec.guest_id, fence=3)
    clean_slate(lab_host, spec.guest_id)
    return data, cargo


def test_everything_a_guest_can_make_arrives_as_it_was(lab_host: LabHost, spec: GuestSpec) -> None:
    before = lab_host.sh(LOOK, lab_host.zone(spec.guest_id))
    for piece in ("4755 12 34 2", "kept", "01000002", "same", "sparse", "fifo"):
        assert piece in before
    data, cargo = take_out(lab_host, spec)
    assert len(data) < 64 * 2**20, "holes were sent as zeros"
    lab_host.hypervisor.receive(spec, io.BytesIO(data), cargo, fence=4)
    assert lab_host.sh(LOOK, lab_host.zone(spec.guest_id)) == before
    seen = lab_host.hypervisor.start(spec.guest_id, fence=4)
    assert (seen.power, seen.limits, seen.guarded) == (Power.RUNNING, spec.limits, True)


def test_whatever_is_cut_short_is_thrown_away(lab_host: LabHost, spec: GuestSpec) -> None:
    data, cargo = take_out(lab_host, spec)
    for length in (0, 10, len(data) // 3, len(data) - 1):
        with pytest.raises(CargoDamaged):
            lab_host.hypervisor.receive(spec, io.BytesIO(data[:length]), cargo, fence=4)
        clean_slate(lab_host, spec.guest_id)


def test_a_source_that_breaks_off_breaks_the_arrival_off(lab_host: LabHost, spec: GuestSpec) -> None:
    data, cargo = take_out(lab_host, spec)

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            part = super().read(4096)
            if self.tell() > len(data) // 2:
                raise GearError("the other host went away")
            return part

    with pytest.raises(GearError, match="went away"):
        lab_host.hypervisor.receive(spec, Broken(data), cargo, fence=4)
    lab_host.hypervisor.receive(spec, io.BytesIO(data), cargo, fence=5)
    assert lab_host.hypervisor.measure(spec.guest_id).bytes > 700 * 2**20


def test_a_root_that_arrived_and_was_not_adopted_is_kept_or_removed_whole(lab_host: LabHost, spec: GuestSpec) -> None:
    data, cargo = take_out(lab_host, spec)
    lab_host.hypervisor.receive(spec, io.BytesIO(data), cargo, fence=4)
    zone = lab_host.zone(spec.guest_id)
    lab_host.sh('rm -f "$1/ready" "$1/config" "/var/lib/lxc/mcp-$2"; : >"$1/arrived"', zone, spec.guest_id)
    lab_host.hypervisor.receive(spec, io.BytesIO(b""), cargo, fence=4)
    assert lab_host.read(spec.guest_id, "/root/locked") == "secret"
    lab_host.sh('rm -f "$1/ready"; : >"$1/arrived"', zone)
    lab_host.hypervisor.destroy(spec.guest_id, fence=5)
    clean_slate(lab_host, spec.guest_id)


def test_the_disk_limit_holds_while_it_arrives(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.sh('head -c 60M /dev/urandom >"$1/rootfs/root/big"', lab_host.zone(spec.guest_id))
    data, cargo = take_out(lab_host, spec)
    small = replace(spec, limits=replace(spec.limits, disk_gib=0.03))
    with pytest.raises(DiskFull):
        lab_host.hypervisor.receive(small, io.BytesIO(data), cargo, fence=4)
    clean_slate(lab_host, spec.guest_id)
