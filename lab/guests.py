"""A guest made by hand on a host of the lab: proves the lab without any driver, and is the baseline of benchmarks."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.pod import Pod
from lab.shell import SCRIPTS

PLACE = "/run/make-guest.sh"
TIMEOUT_S = 60.0


def make_guest(pod: Pod, host: str, name: str, offset: int, image: Path) -> str:
    """Make and start a guest; answers its address, the `offset`-th of the guest network.

    `offset` also chooses its uid range, so no two guests of a pod may share it. The image (tar, or tar.zst) is unpacked
    on the host once. The guest starts again with its host. Raises LabError.
    """
    pod.exec(host, "sh", "-c", f"cat >{PLACE}", stdin=(SCRIPTS / "make-guest.sh").read_text())
    address = str(pod.subnet[offset])
    cidr = f"{address}/{pod.subnet.prefixlen}"
    command = pod.exec_command(host, ["sh", PLACE, name, cidr, str(pod.gateway), str(offset), image.name])
    with image.open("rb") as archive:
        done = subprocess.run(command, stdin=archive, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise LabError(f"guest {name} did not start: {done.stderr.strip()}")
    return address
