#!/bin/sh
# `make check`: everything that can be said about the code without running it. The checks run side by side.
set -eu

cd "$(dirname "$0")/.."
scripts/install.sh check

work=$(mktemp -d "${TMPDIR:-/tmp}/mcp-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
MCP_VAR_DIR=$work/var
export MCP_VAR_DIR
unset MCP_DATABASE_URL MCP_BROKER_URL MCP_MODE MCP_URL
mkdir -p "$MCP_VAR_DIR"
PATH=$PWD/.venv/bin:$PATH
names=

# check NAME COMMAND...: run in the background; its output is kept and shown if it fails.
check() {
    name=$1
    shift
    names="$names $name"
    (
        began=$(date +%s)
        code=0
        "$@" >"$work/$name.out" 2>&1 || code=$?
        echo "$code $(($(date +%s) - began))" >"$work/$name.end"
    ) &
}

# shellcheck disable=SC2317  # called by `check`
openapi() {
    if [ ! -f docs/openapi.json ]; then
        echo "docs/openapi.json is missing; write it with: ./manage.py spectacular --format openapi-json --file docs/openapi.json"
        return 1
    fi
    python manage.py spectacular --format openapi-json --file "$work/openapi.json" --validate --fail-on-warn || return 1
    if ! cmp docs/openapi.json "$work/openapi.json"; then
        echo "write it anew with: ./manage.py spectacular --format openapi-json --file docs/openapi.json"
        return 1
    fi
}

# shellcheck disable=SC2317  # called by `check`
shell_scripts() {
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
}

check types mypy .
check format ruff format --check .
check lint ruff check .
check imports lint-imports
check migrations python manage.py makemigrations --check --dry-run
check shell shell_scripts
check openapi openapi
wait

failed=0
for name in $names; do
    read -r code seconds <"$work/$name.end" || code=99
    if [ "$code" -eq 0 ]; then
        printf '%-12s ok      %3s s\n' "$name" "$seconds"
    else
        printf '%-12s FAILED  %3s s\n' "$name" "$seconds"
        sed 's/^/    /' "$work/$name.out"
        failed=1
    fi
done
exit "$failed"
