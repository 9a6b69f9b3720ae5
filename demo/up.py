"""The steps of `make up`, in order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from demo import enrol, envfile, first, machine, secrets, server
from demo.enrol import Person
from demo.machine import Ground
from demo.places import Places
from demo.progress import Progress


@dataclass
class Up:
    """One run."""

    places: Places
    port: int
    simulate: bool = False
    progress: Progress = field(default_factory=Progress)

    def run(self) -> None:
        """Everything. Raises DemoError, LabError, ControlPlaneError; what was done so far stays, and the next run goes on."""
        from django.core.management import call_command

        from mcp.health.readiness import unapplied_migrations

        step = self.progress.step
        with step("machines") as told:
            ground = machine.prepare(self.places, simulate=self.simulate)
            told.append(f"{len(ground.machines)} {'simulated ' if ground.simulated else ''}hosts")
        if ground.simulated:
            self.progress.line(f"           The pod is simulated, because {ground.simulated}.")
        with step("database"):
            if unapplied_migrations():
                call_command("migrate", verbosity=0, interactive=False)
        with step("people and keys"):
            operator, customer = self._people()
            self._hand_over(operator, customer)
        with step("server") as told:
            told.append(server.ensure(self.places, self.port))
        with step("pod and hosts") as told:
            hosts = enrol.ensure_hosts(enrol.ensure_pod(ground), ground)
            told += [f"{host.name} {host.state}" for host in hosts]
        with step("images") as told:
            told += [str(image) for image in enrol.ensure_images(ground, self.places.images, self.progress.tell)]
        with step("first accelerator") as told:
            accelerator = self._first(ground, customer)
            told.append(_address(accelerator))
        self._give_to_caller()
        self._summary(ground, accelerator)

    def _people(self) -> tuple[Person, Person]:
        known = envfile.read(self.places.handover)
        public_key = secrets.ensure_ssh_key(self.places)
        operator = enrol.ensure_operator(_known(known, "MCP_OPERATOR", "MCP_OPERATOR_KEY"))
        return operator, enrol.ensure_customer(_known(known, "MCP_PORTAL", "MCP_API_KEY"), public_key)

    def _first(self, ground: Ground, customer: Person) -> dict[str, Any]:
        api = first.Api(f"http://127.0.0.1:{self.port}", customer.key)
        accelerator = first.ensure_running(api, ground.pod)
        if not ground.simulated:
            first.await_port(_address(accelerator))
        return accelerator

    def _hand_over(self, operator: Person, customer: Person) -> None:
        values = {
            "MCP_URL": f"http://127.0.0.1:{self.port}",
            "MCP_API_KEY": customer.key,
            "MCP_OPERATOR_KEY": operator.key,
            "MCP_SSH_KEY": str(self.places.ssh_key),
            "MCP_PORTAL_USER": customer.user,
            "MCP_PORTAL_PASSWORD": customer.password,
            "MCP_OPERATOR_USER": operator.user,
            "MCP_OPERATOR_PASSWORD": operator.password,
        }
        if values != envfile.read(self.places.handover):
            envfile.write(self.places.handover, values, export=True, comment="Written by `make up`. Source it: . var/mcp.env")

    def _give_to_caller(self) -> None:
        """Under sudo, what the caller is to read belongs to the caller."""
        uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
        if os.geteuid() == 0 and uid.isdigit() and gid.isdigit():
            for path in (self.places.handover, self.places.ssh_key.parent, self.places.ssh_key):
                os.chown(path, int(uid), int(gid))

    def _summary(self, ground: Ground, accelerator: dict[str, Any]) -> None:
        handover = envfile.read(self.places.handover)
        line = self.progress.line
        line()
        line(f"MCP is up after {self.progress.elapsed_s:.1f} s.")
        line(f"  portal    {handover['MCP_URL']}/  {handover['MCP_PORTAL_USER']} / {handover['MCP_PORTAL_PASSWORD']}")
        line(f"  console   {handover['MCP_URL']}/admin/  {handover['MCP_OPERATOR_USER']} / {handover['MCP_OPERATOR_PASSWORD']}")
        if ground.simulated:
            line(f"  {first.NAME}     {_address(accelerator)}, simulated: nothing answers there")
        else:
            line(f"  {first.NAME}     ssh -i {self.places.ssh_key} root@{_address(accelerator)}")
        line(f'  API       . {self.places.handover}; curl -H "Authorization: Bearer $MCP_API_KEY" $MCP_URL/api/v1/accelerators')
        line("  end       make down (PURGE=1 forgets the data, too)")


def _known(values: dict[str, str], prefix: str, key: str) -> Person:
    return Person(values.get(f"{prefix}_USER", ""), values.get(f"{prefix}_PASSWORD", ""), values.get(key, ""))


def _address(accelerator: dict[str, Any]) -> str:
    return str(accelerator["addresses"][0]["address"])
