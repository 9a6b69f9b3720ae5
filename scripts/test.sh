#!/bin/sh
# `make test`: install, then run the tests, those that use the database twice.
# First the embedded mode (SQLite, in-process broker) for these, but for the slow and what needs more, then the whole suite on
# throw-away PostgreSQL and Redis servers with the pod in a box; pytest's summary of that is the last thing printed.
# Tests run side by side: as many at once as there are processors, and two more where most of them wait for machines.
# usage: test.sh [PYTEST-ARGUMENT...], `-n 0` for one at a time; MCP_REQUIRE=lab,postgres,redis,browser makes skips of these failures.
set -eu

cd "$(dirname "$0")/.."
scripts/install.sh test

# Nothing of `make up` is read or touched, but images built once serve both.
work=$(mktemp -d "${TMPDIR:-/tmp}/mcp-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
MCP_IMAGE_DIR=${MCP_IMAGE_DIR:-$PWD/var/images}
MCP_VAR_DIR=$work/var
export MCP_IMAGE_DIR MCP_VAR_DIR
unset MCP_DATABASE_URL MCP_BROKER_URL MCP_MODE MCP_URL
mkdir -p "$MCP_VAR_DIR/static" "$MCP_IMAGE_DIR"

processors=$(nproc)

echo "=== the embedded mode: SQLite and the in-process broker"
embedded=0
.venv/bin/python -m pytest -q -n "$processors" --dist loadscope -m "database and not lab and not postgres and not redis and not browser and not slow" "$@" || embedded=$?
[ "$embedded" -ne 5 ] || embedded=0 # none of the tests asked for runs in this mode

echo "=== everything: PostgreSQL, Redis, the pod in a box, the browser"
optional=--optional
case ${MCP_REQUIRE:-} in
    *postgres* | *redis*) optional= ;;
esac
whole=0
scripts/servers.sh ${optional:+"$optional"} .venv/bin/python -m pytest -n $((processors + 2)) --dist loadscope "$@" || whole=$?
if [ "$embedded" -ne 0 ]; then
    echo "tests failed in the embedded mode, see above"
    exit "$embedded"
fi
exit "$whole"
