#!/bin/sh
# What an operator would type to make a guest on a host: clone, configure with the same limits, start, wait for its port.
# The baseline of the provisioning benchmarks; sent over one open SSH connection.
#
# usage: by-hand.sh make IMAGE_SUBVOLUME NAME ADDRESS/PREFIX GATEWAY UID_SLOT PORT AUTHORIZED_KEY | drop NAME
set -eu

store=/var/lib/mcp/store
verb=$1
shift

if [ "$verb" = drop ]; then
    lxc-stop -k -n "$1" 2>/dev/null || true
    btrfs -q subvolume delete "$store/$1" >/dev/null
    rm -rf "/var/lib/lxc/${1:?}"
    exit 0
fi

image=$1 name=$2 cidr=$3 gateway=$4 base=$((1000000 + $5 * 65536)) port=$6 key=$7
# The same number has the same hardware address every time, or neighbours would talk to one that is gone.
mac=$(printf '02:4d:48:00:%02x:%02x' $(($5 / 256)) $(($5 % 256)))
btrfs -q subvolume snapshot "$image" "$store/$name" >/dev/null
btrfs qgroup limit 5G "$store/$name"
install -d -m 700 "$store/$name/root/.ssh"
printf '%s\n' "$key" >"$store/$name/root/.ssh/authorized_keys"
printf '%s\n' "$name" >"$store/$name/etc/hostname"
mkdir -p "/var/lib/lxc/$name"
if [ -d /sys/fs/cgroup/memory ]; then
    limits="lxc.cgroup.memory.limit_in_bytes = 268435456
lxc.cgroup.cpu.cfs_period_us = 100000
lxc.cgroup.cpu.cfs_quota_us = 100000
lxc.cgroup.pids.max = 256"
else
    limits="lxc.cgroup2.memory.max = 268435456
lxc.cgroup2.cpu.max = 100000 100000
lxc.cgroup2.pids.max = 256"
fi
cat >"/var/lib/lxc/$name/config" <<END
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/userns.conf
lxc.uts.name = $name
lxc.rootfs.path = dir:$store/$name
lxc.rootfs.options = idmap=container
lxc.idmap = u 0 $base 65536
lxc.idmap = g 0 $base 65536
lxc.apparmor.profile = unconfined
lxc.net.0.type = veth
lxc.net.0.link = br0
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.hwaddr = $mac
lxc.net.0.ipv4.address = $cidr
lxc.net.0.ipv4.gateway = $gateway
$limits
END
lxc-start -n "$name"
pid=$(lxc-info -n "$name" -p -H)
hex=$(printf ':%04X' "$port")
tries=0
until grep -qs "$hex 00000000:0000 0A\|$hex 00000000000000000000000000000000:0000 0A" "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"; do
    tries=$((tries + 1))
    [ "$tries" -lt 3000 ] || exit 1
    sleep 0.01
done
