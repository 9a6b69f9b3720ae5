"""The first accelerator, asked for as a customer would: over the REST API, with an idempotency key."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from demo.errors import DemoError

NAME = "first"
PLAN = "zone-256m"
IMAGE = "debian-12"
LIMIT_S = 180.0
REMEDY = "See `./manage.py operation list`, `./manage.py doctor` and var/log/server.log; then run `make up` again."


@dataclass(frozen=True, slots=True)
class Api:
    """A caller of the REST API."""

    url: str
    key: str

    def get(self, path: str) -> dict[str, Any] | None:
        """The resource, or None if there is none (any more). Raises DemoError."""
        status, body = self._call("GET", path)
        return None if status in (404, 410) else self._sound(status, body)

    def post(self, path: str, body: dict[str, Any], idempotency_key: str) -> dict[str, Any]:
        """What was answered. Raises DemoError with the problem's sentence."""
        return self._sound(*self._call("POST", path, body, {"Idempotency-Key": idempotency_key}))

    def _sound(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        if status >= 400:
            raise DemoError(f"The API answered {status}: {body.get('detail', body)}", REMEDY)
        return body

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(  # noqa: S310  (our own server)
            f"{self.url}/api/v1{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(headers or {})},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (as above)
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except OSError as error:
            raise DemoError(f"The API does not answer: {error}", REMEDY) from error


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(raw)
    except ValueError:
        return {"detail": raw.decode(errors="replace")[:300]}
    return found


def ensure_running(api: Api, pod: str) -> dict[str, Any]:
    """The accelerator `first`, running. Repeatable: one that is stopped is started, one that failed is made anew."""
    deadline = time.monotonic() + LIMIT_S
    asked = ""
    while time.monotonic() < deadline:
        found = api.get(f"/accelerators/{NAME}")
        state = found["state"] if found else "missing"
        if found and state == "running":
            return found
        if state != asked:
            asked = state
            _push(api, pod, state, found)
        time.sleep(0.1)
    raise DemoError(f"The accelerator {NAME} is not running after {LIMIT_S:g} s (it is {asked}).", REMEDY)


def _push(api: Api, pod: str, state: str, found: dict[str, Any] | None) -> None:
    """What brings it nearer to running; states that pass by themselves need nothing."""
    if state == "missing":
        wish = {"name": NAME, "plan": PLAN, "image": IMAGE, "pod": pod}
        api.post("/accelerators", wish, f"make-up-{time.time_ns()}")
    elif found and state in ("stopped", "trashed"):
        verb = "start" if state == "stopped" else "undelete"
        api.post(f"/accelerators/{found['id']}/{verb}", {}, f"make-up-{time.time_ns()}")
    elif state == "failed":
        raise DemoError(f"The accelerator {NAME} could not be made: {found}", REMEDY)


def await_port(address: str, port: int = 22, limit_s: float = 60.0) -> None:
    """Wait until something answers there. Raises DemoError."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), timeout=2) as link:
                if link.recv(4):
                    return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"{address} does not answer on port {port} within {limit_s:g} s.", REMEDY)
