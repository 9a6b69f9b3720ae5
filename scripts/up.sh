#!/bin/sh
# `make up`: install, then bring everything up.
# usage: up.sh PORT [SIMULATE]
set -eu

cd "$(dirname "$0")/.."
port=${1:-8000}
simulate=${2:-}

# The pod in a box needs root. Where sudo asks no password, all of this runs under it; else the pod is simulated.
if [ "$(id -u)" -ne 0 ] && [ -z "$simulate" ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    exec sudo -n "MCP_VAR_DIR=${MCP_VAR_DIR:-}" "$0" "$port" "$simulate"
fi

scripts/install.sh run
exec .venv/bin/python -m demo up --port "$port" ${simulate:+--simulate}
