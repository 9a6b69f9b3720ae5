#!/bin/sh
# Run a command inside a host of a pod in a box, as if it had been started there.
#
# usage: host-enter.sh INIT_PID CGROUP_DIRS COMMAND [ARGUMENT...]
#   CGROUP_DIRS  the directories to join first, separated by ':', so that the command dies with its host
set -eu

init_pid=$1
cgroup_dirs=$2
shift 2

IFS=:
for directory in $cgroup_dirs; do
    echo $$ >"$directory/cgroup.procs"
done
unset IFS

exec nsenter --target "$init_pid" --mount --uts --ipc --net --pid --cgroup -- \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 "$@"
