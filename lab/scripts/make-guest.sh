#!/bin/sh
# Make and start an unprivileged guest by hand on a host of the lab, as a baseline and to prove the lab itself.
#
# usage: make-guest.sh NAME ADDRESS/PREFIX GATEWAY UID_SLOT IMAGE_KEY <IMAGE.tar[.zst]
# The image is unpacked once; later guests clone it (and stdin is not read). The lab's own SSH key opens the guest.
set -eu

name=$1
cidr=$2
gateway=$3
base=$((1000000 + $4 * 65536))
store=/var/lib/mcp/store
# A hardware address that stays: with a new one at every start, whoever remembers the old one talks to nobody for a while.
# shellcheck disable=SC2046,SC2183 # the address is split into four numbers on purpose
mac=$(printf '02:4d:%02x:%02x:%02x:%02x' $(echo "${cidr%/*}" | tr . ' '))
image=$store/image-$5

if [ ! -d "$image" ]; then
    btrfs -q subvolume create "$image"
    zstd -dcf | tar -C "$image" --numeric-owner -xpf -
fi
btrfs -q subvolume snapshot "$image" "$store/$name" >/dev/null
install -d -m 700 "$store/$name/root/.ssh"
install -m 600 /etc/ssh/authorized_keys "$store/$name/root/.ssh/authorized_keys"
mkdir -p "$store/$name/etc"
printf '%s\n' "$name" >"$store/$name/etc/hostname"

mkdir -p "/var/lib/lxc/$name"
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
lxc.start.auto = 1
END
lxc-start --name "$name" --logfile "/var/log/$name.log" --logpriority INFO
