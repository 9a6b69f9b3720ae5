"""Where things lie: all of it below `var/` of the checkout."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one demonstration. `var` is MCP_VAR_DIR."""

    var: Path

    @property
    def settings(self) -> Path:
        """Secrets and address, read by every `./manage.py` (mcp/environment.py)."""
        return self.var / "settings.env"

    @property
    def handover(self) -> Path:
        """What callers source."""
        return self.var / "mcp.env"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens the account's accelerators."""
        return self.var / "ssh" / "demo"

    @property
    def pid_file(self) -> Path:
        """Which process is our server."""
        return self.var / "run" / "server.pid"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.var / "log" / "server.log"

    @property
    def images(self) -> Path:
        """Built images; kept by `make down PURGE=1`, because they take long and say nothing about anyone."""
        return Path(os.environ.get("MCP_IMAGE_DIR") or self.var / "images")

    @property
    def lab(self) -> Path:
        """State of the pod in a box."""
        return self.var / "lab" / self.lab_name

    @property
    def simulated(self) -> Path:
        """Hosts of the simulated pod."""
        return self.var / "simulated"

    @property
    def lab_name(self) -> str:
        """Unique on the machine, so that two checkouts, or a test run, never meet."""
        return f"up{self._digest[:5]}"

    @property
    def lab_subnet(self) -> str:
        """Outside the range that the lab chooses from by itself; kept from one `make up` to the next."""
        return f"10.78.{int(self._digest[:2], 16) & 0xFC}.0/22"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(str(self.var.resolve()).encode()).hexdigest()
