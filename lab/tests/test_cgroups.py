"""Which cgroup hierarchies a machine has, read from mountinfo of all three kinds of machines."""

from __future__ import annotations

from pathlib import Path

from lab.cgroups import Hierarchy, parse_mountinfo

HYBRID = """\
30 20 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:8 - cgroup cgroup rw,cpu,cpuacct,xattr
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
35 20 0:31 / /mnt/other rw - cgroup2 cgroup2 rw
"""
UNIFIED = "24 20 0:21 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_a_hybrid_machine() -> None:
    assert [h.mount_argument for h in parse_mountinfo(HYBRID)] == [
        "memory=cgroup=memory",
        "cpu,cpuacct=cgroup=cpu,cpuacct",
        "systemd=cgroup=none,name=systemd",
        "unified=cgroup2=rw",
    ]


def test_a_version_2_machine() -> None:
    assert parse_mountinfo(UNIFIED) == (Hierarchy(Path("/sys/fs/cgroup"), 2, "rw"),)
    assert parse_mountinfo(UNIFIED)[0].mount_argument == ".=cgroup2=rw"


def test_a_machine_without_any() -> None:
    assert parse_mountinfo("20 1 8:1 / / rw - ext4 /dev/vda rw\n") == ()
