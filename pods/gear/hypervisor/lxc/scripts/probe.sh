#!/bin/sh
# What the machine is and has, as key=value lines. Changes nothing.

verb_probe() {
    printf 'boot_id=%s\n' "$(cat /proc/sys/kernel/random/boot_id)"
    printf 'clock_ms=%s\n' "$(date +%s%3N)"
    printf 'cpus=%s\n' "$(nproc)"
    printf 'kernel=%s\n' "$(uname -r)"
    printf 'architecture=%s\n' "$(uname -m)"
    awk '$1 == "MemTotal:" { printf "memory_kib=%d\n", $2 }' /proc/meminfo
    near=$STORE
    while [ ! -d "$near" ]; do near=${near%/*}; done
    df -Pk "${near:-/}" | awk 'NR == 2 { printf "disk_kib=%d\n", $2 }'
    printf 'store=%s\n' "$(stat -f -c %T "${near:-/}")"
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
    printf 'lxc=%s\n' "$(lxc-start --version 2>/dev/null || true)"
    for bridge in /sys/class/net/*/bridge; do
        [ -d "$bridge" ] || continue
        bridge=${bridge%/bridge}
        printf 'bridge=%s\n' "${bridge##*/}"
    done
    probe_tools
    probe_kernel
}

probe_tools() {
    for tool in lxc-start perl nft zstd tar flock btrfs zfs sha256sum; do
        command -v "$tool" >/dev/null 2>&1 || printf 'lacks=%s\n' "$tool"
    done
}

probe_kernel() {
    [ -f /usr/share/lxc/config/userns.conf ] || echo lacks=lxc-templates
    [ -f /proc/self/ns/user ] || [ -L /proc/self/ns/user ] || echo lacks=user-namespaces
    grep -qsE "^root:1000000:[0-9]{9,}" /etc/subuid || echo lacks=subuid
    grep -qsE "^root:1000000:[0-9]{9,}" /etc/subgid || echo lacks=subgid
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        grep -qs memory /sys/fs/cgroup/cgroup.controllers || echo lacks=memory-cgroup
    else
        [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ] || echo lacks=memory-cgroup
        [ -f /sys/fs/cgroup/cpu/cpu.cfs_quota_us ] || echo lacks=cpu-cgroup
    fi
}
