#!/bin/sh
# Named by a guest's configuration (lxc.hook.post-stop): a guest that reboots itself is stopped and started anew.
# LXC 5.0 would restart it in the same monitor, but then loses the id-mapped mount of its root: every file belongs to nobody.
# A post-stop hook that fails makes LXC stop the guest instead; what starts it again waits outside until the monitor is gone.
#
# usage: reboot.sh ZONE NAME lxc post-stop, with LXC_TARGET and LXC_CONFIG_FILE in the environment; or reboot.sh ZONE again
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

zone=$1
id=${zone##*/}
name=mcp-$id

leave_the_monitors_groups() {
    for group in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/init.scope/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
        [ ! -f "$group" ] || echo $$ >"$group" 2>/dev/null || true
    done
}

monitored() {
    grep -qF "@$lxc_path/$name/command" /proc/net/unix
}

if [ "${2:-}" != again ]; then
    [ "${LXC_TARGET:-stop}" = reboot ] || exit 0
    export LXC_CONFIG_FILE
    setsid sh "$0" "$zone" again </dev/null >/dev/null 2>&1 &
    exit 1
fi

lxc_path=${LXC_CONFIG_FILE%/*/config}
leave_the_monitors_groups
tries=0
while monitored; do
    tries=$((tries + 1))
    [ "$tries" -lt 1500 ] || exit 1
    sleep 0.02
done
# In turn with every other command for this guest, and only if nobody stopped or removed it meanwhile.
mkdir -p /run/mcp/locks
exec 9>"/run/mcp/locks/$id"
flock -w 60 9 || exit 1
grep -qs '^lxc.start.auto = 1' "$zone/autostart" || exit 0
monitored || exec lxc-start -P "$lxc_path" -n "$name" -l ERROR -o "$zone/log"
