"""Which cgroup hierarchies a machine has, read from mountinfo of all three kinds of machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import cgroups
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


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that looks like the top of a version 2 machine."""
    monkeypatch.setattr(cgroups, "TOP", tmp_path)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (Hierarchy(tmp_path, 2, "rw"),))
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids rdma\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_on_version_2_the_top_hands_controllers_down(unified: Path) -> None:
    assert cgroups.create("mcp-lab.demo.h1") == (unified / "mcp-lab.demo.h1",)
    assert (unified / "cgroup.subtree_control").read_text() == "+pids"  # a file keeps only the last of the writes


def test_on_version_2_the_outer_process_goes_to_the_leaf(unified: Path) -> None:
    cgroups.create("mcp-lab.demo.h1")
    cgroups.step_aside("mcp-lab.demo.h1", 4711)
    assert (unified / "mcp-lab.demo.h1/init.scope/cgroup.procs").read_text() == "4711"
    assert cgroups.processes("mcp-lab.demo.h1") == {4711}


def test_removing_what_is_gone_is_no_error(unified: Path) -> None:
    cgroups.create("mcp-lab.demo.h1")
    cgroups.remove("mcp-lab.demo.h1")
    cgroups.remove("mcp-lab.demo.h1")
    assert not (unified / "mcp-lab.demo.h1").exists()


def test_on_version_1_a_cpuset_can_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (Hierarchy(tmp_path, 1, "cpuset"),))
    (tmp_path / "cpuset.cpus").write_text("0-1")
    (tmp_path / "cpuset.mems").write_text("0")
    (tmp_path / "h1").mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "h1" / name).write_text("")
    cgroups.create("h1")
    assert (tmp_path / "h1/cpuset.cpus").read_text() == "0-1"
