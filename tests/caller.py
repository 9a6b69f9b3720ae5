"""Somebody who speaks to the public REST API with a real key, and somebody who logs in to what it made."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rest_framework.test import APIClient

from accounts.models import Account
from accounts.testing import client_with, make_key
from tests.stack import until

API = "/api/v1"
Json = dict[str, Any]


@dataclass
class Caller:
    """Requests go through the real URL conf; every answer's status is checked."""

    client: APIClient
    headers: dict[str, str] = field(default_factory=dict)  # of the last answer

    @classmethod
    def of(cls, account: Account | None) -> Caller:
        """With a new key of the account's owner; without an account, of an operator."""
        return cls(client_with(make_key(account)))

    def call(self, method: str, path: str, body: Json | None = None, *, expect: int, **headers: str) -> Json:
        """One request; headers as PREFER="wait=60"."""
        extra: Any = {f"HTTP_{name}": value for name, value in headers.items()}
        response = getattr(self.client, method)(API + path, body, format="json", **extra)
        self.headers = dict(response.items())
        answer: Json = response.json() if response.content else {}
        assert response.status_code == expect, f"{method} {path}: {response.status_code} {answer}"
        return answer

    def get(self, path: str, *, expect: int = 200) -> Json:
        """Read; filters belong into the path."""
        response = self.client.get(API + path)
        answer: Json = response.json()
        assert response.status_code == expect, f"get {path}: {response.status_code} {answer}"
        return answer

    def change(self, method: str, path: str, body: Json | None = None) -> Json:
        """A change whose answer is held until it has happened."""
        return self.call(method, path, body or {}, expect=200, PREFER="wait=60")

    def create(self, name: str, **wish: Any) -> Json:
        """A running accelerator; the cheapest one unless told."""
        body = {"name": name, "plan": "zone-256m", "image": "busybox", **wish}
        row = self.change("post", "/accelerators", body)
        assert row["state"] == "running", row
        return row

    def host_of(self, accelerator: Json) -> str:
        """The host that an accelerator is on; operators may ask."""
        (allocation,) = self.get(f"/operator/allocations?holder={accelerator['id']}")["results"]
        name: str = allocation["host"]
        return name


def address_of(accelerator: Json) -> str:
    """Its primary address."""
    address: str = next(entry["address"] for entry in accelerator["addresses"] if entry["primary"])
    return address


def answers(address: str, port: int = 22) -> bool:
    """Whether something greets there, asked from this machine."""
    with suppress(OSError), socket.create_connection((address, port), timeout=2) as link:
        link.settimeout(2)
        return link.recv(4) == b"SSH-"
    return False


@dataclass(frozen=True)
class Door:
    """SSH as root into an accelerator with one private key and nothing else of this machine's."""

    address: str
    key: Path

    def command(self, line: str) -> list[str]:
        """The argument list of `ssh`."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "IdentitiesOnly=yes"]
        options += ["ConnectTimeout=5", "LogLevel=ERROR"]
        flags = [part for option in options for part in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.key), *flags, f"root@{self.address}", line]

    def attempt(self, line: str, *, within_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a line of shell, whatever its end."""
        command = self.command(line)
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s, check=False)

    def run(self, line: str) -> str:
        """Run a line of shell that must succeed; answers what it printed."""
        done = self.attempt(line)
        assert done.returncode == 0, f"{line!r} in {self.address}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def await_open(self) -> None:
        """Wait until one can log in: an open port may still refuse while the guest boots."""
        until(lambda: self.attempt("true").returncode == 0, within_s=30, what=f"logging in to {self.address}")


def new_key(directory: Path) -> tuple[Path, str]:
    """A key pair of one's own: where the private half lies, and the public one."""
    path = directory / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "scenario", "-f", str(path)], check=True, timeout=10)
    return path, path.with_suffix(".pub").read_text().strip()
