#!/bin/sh
# Install what a purpose needs: Debian packages and Python packages. Quick when all is there.
# usage: install.sh run|test|check
set -eu

cd "$(dirname "$0")/.."
# As root (or with sudo) the pod in a box can run; without, what it needs is left out and it is simulated.
lab=
if [ "$(id -u)" -eq 0 ]; then
    lab=scripts/packages-lab.txt
fi

case ${1:-} in
    run)
        scripts/packages.sh scripts/packages-run.txt ${lab:+"$lab"}
        scripts/python.sh requirements.txt
        ;;
    test)
        scripts/packages.sh scripts/packages-run.txt scripts/packages-test.txt ${lab:+"$lab"}
        scripts/python.sh requirements-dev.txt
        ;;
    check)
        scripts/packages.sh scripts/packages-check.txt
        scripts/python.sh requirements-dev.txt
        ;;
    *)
        echo "usage: install.sh run|test|check" >&2
        exit 2
        ;;
esac
