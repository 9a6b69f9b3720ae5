#!/bin/sh
# Make the virtual environment hold exactly what a requirements file pins; a no-op when it does already.
# usage: python.sh REQUIREMENTS
set -eu

cd "$(dirname "$0")/.."
requirements=$1
[ -x .venv/bin/python ] || python3 -m venv .venv
stamp=.venv/installed-$(basename "$requirements" .txt)
now=$(cat requirements*.txt | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null || true)" = "$now" ] && exit 0

echo "installing Python packages of $requirements"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! .venv/bin/python -m pip install --disable-pip-version-check -q -r "$requirements" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "python.sh: pip failed; above is the end of what it said. Check the network and run the same again." >&2
    exit 1
fi
echo "$now" >"$stamp"
