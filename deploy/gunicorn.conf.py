"""gunicorn's configuration, for the embedded mode (`./manage.py serve`) and for production alike.

    gunicorn -c deploy/gunicorn.conf.py mcp.wsgi

Variables: MCP_BIND, MCP_WEB_WORKERS, MCP_WEB_THREADS. With the in-memory broker there is exactly one web process, and the
worker and the clock live in it; otherwise they are processes of their own (deploy/systemd/).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")

from django.conf import settings

bind = os.environ.get("MCP_BIND", "127.0.0.1:8000")
workers = 1 if settings.EMBEDDED else int(os.environ.get("MCP_WEB_WORKERS", "2"))
worker_class = "gthread"
threads = int(os.environ.get("MCP_WEB_THREADS", "32"))
timeout = 60
graceful_timeout = 30  # above mcp.embedded.STOP_LIMIT_S
keepalive = 5
limit_request_line = 8190
control_socket_disable = True
accesslog = None  # the application writes one structured line a request where wanted; gunicorn's would double it
forwarded_allow_ips = os.environ.get("MCP_FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
proc_name = "mcp"

if workers > 1:
    # Counters of several processes are added up when /metrics is read, from files in this directory.
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(settings.VAR_DIR / "metrics"))


def on_starting(server: Any) -> None:
    """Begin the counters anew (files of processes long dead would only grow), and make what is warned about if missing."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if directory:
        shutil.rmtree(directory, ignore_errors=True)
        Path(directory).mkdir(parents=True)


def post_worker_init(worker: Any) -> None:
    """In the embedded mode this process is the worker and the clock, too."""
    if settings.EMBEDDED:
        from mcp.embedded import start_in_this_process

        start_in_this_process()


def worker_exit(server: Any, worker: Any) -> None:
    """Let the worker park what it holds."""
    if settings.EMBEDDED:
        from mcp.embedded import stop_in_this_process

        stop_in_this_process()


def child_exit(server: Any, worker: Any) -> None:
    """A web process ended: drop its live gauges, keep its counters."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus_client types half of itself
