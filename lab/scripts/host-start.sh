#!/bin/sh
# Start one host of a pod in a box: join its cgroups, take namespaces of its own, run its init there in the background.
#
# usage: host-start.sh CONSOLE INIT_SCRIPT CGROUP_DIRS INIT_ARGUMENT...
#   CONSOLE      the file that init's output is added to
#   CGROUP_DIRS  the host's directory in every cgroup hierarchy, separated by ':'
# Prints the process id of unshare, whose only child is the host's process 1.
set -eu

console=$1
init_script=$2
cgroup_dirs=$3
shift 3

IFS=:
for directory in $cgroup_dirs; do
    echo $$ >"$directory/cgroup.procs"
done
unset IFS

# The cgroup namespace's root is the cgroup that was just joined, so no host sees another's guests.
setsid unshare --fork --pid --mount --uts --ipc --net --cgroup -- /bin/sh "$init_script" "$@" \
    </dev/null >>"$console" 2>&1 &
echo $!
