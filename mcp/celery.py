"""The Celery application. Messages carry an operation's id and nothing else; the database is the truth."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals

from mcp.broker import outlive_brokers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")


def make_app(name: str, *, current: bool = True) -> Celery:
    """An application with this project's settings and tasks. An application can serve one set of queues: a process that is to
    serve two with threads of their own (mcp/embedded.py) makes itself a second one, which is not the `current` one.
    """
    made = Celery(name, set_as_current=current)
    made.config_from_object("django.conf:settings", namespace="CELERY")
    made.autodiscover_tasks(["mcp.operations", "mcp.health", "mcp.api", "mcp.web", "pods", "accelerators"])
    return made


app = make_app("mcp")

outlive_brokers()


@signals.worker_init.connect
@signals.beat_init.connect
def refuse_unsafe_settings(**kwargs: Any) -> None:
    """A worker or clock does not start on settings that production refuses."""
    from django.core.exceptions import ImproperlyConfigured

    from mcp.checks import demand_safe

    try:
        demand_safe()
    except ImproperlyConfigured as exc:
        raise SystemExit(str(exc)) from exc  # Celery logs other exceptions of a receiver, and goes on


@signals.worker_ready.connect
def announce(sender: Any, **kwargs: Any) -> None:
    """Leave signs of life from now on (a worker inside the web process does so by itself)."""
    from mcp.health.services.pulse import Presence
    from mcp.operations.lease import leases

    sender.controller.mcp_presence = presence = Presence(leases.owner, queues=sorted(map(str, app.amqp.queues.consume_from)))
    presence.start()


@signals.worker_shutting_down.connect
def stop_claiming_new_work(**kwargs: Any) -> None:
    """On SIGTERM: finish or park what is in hand."""
    from mcp.operations.stopping import stop_claiming

    stop_claiming()


@signals.worker_shutdown.connect
def say_goodbye(sender: Any, **kwargs: Any) -> None:
    """The worker left in good order."""
    presence = getattr(sender, "mcp_presence", None)
    if presence is not None:
        presence.stop()


@signals.task_prerun.connect
@signals.task_postrun.connect
def close_old_connections(**kwargs: Any) -> None:
    """What Django does around each request: close connections that failed or are older than MCP_CONN_MAX_AGE, keep others."""
    from django import db

    db.close_old_connections()
