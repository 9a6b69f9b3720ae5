"""`make bench [ARGS="provision control api"]`: run, write var/bench.json, print the table with goals."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import django
from django.core.management import call_command


def main(names: list[str]) -> int:
    """Run the named benchmarks (all by default); the exit status says only whether they ran."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")
    os.environ.setdefault("MCP_LOG_LEVEL", "WARNING")  # figures, not requests
    django.setup()
    from tests.bench import api, control, growth, placement, provision, whatif
    from tests.bench.results import Result, table, write

    benches = {
        "provision": provision.run, "control": control.run, "api": api.run, "placement": placement.run, "whatif": whatif.run,
        "growth": growth.run,
    }  # fmt: skip
    unknown = sorted(set(names) - set(benches))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(benches)}\n")
        return 2
    call_command("migrate", verbosity=0)
    results: list[Result] = []
    for name in names or list(benches):
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(prefix=f"mcp-bench-{name}-") as directory:
            results += benches[name](Path(directory))
    write(results, Path("var/bench.json"))
    sys.stdout.write(table(results) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
