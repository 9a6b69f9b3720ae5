#!/bin/sh
# `make down`: end what `make up` started.
# usage: down.sh [PURGE]
set -eu

cd "$(dirname "$0")/.."
purge=${1:-}
if [ ! -x .venv/bin/python ]; then
    echo "nothing was ever brought up here"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    exec sudo -n "MCP_VAR_DIR=${MCP_VAR_DIR:-}" "$0" "$purge"
fi
exec .venv/bin/python -m demo down ${purge:+--purge}
