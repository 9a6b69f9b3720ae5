#!/bin/sh
# Process 1 of one host of a pod in a box, run by host-start.sh inside fresh namespaces.
#
# usage: host-init.sh STATE_DIR NAME MANAGEMENT_CIDR MANAGEMENT_GATEWAY CGROUP_MOUNTS
#   STATE_DIR      holds disk.img (a btrfs file system) and seed/ (host key, authorized_keys)
#   CGROUP_MOUNTS  "DIRECTORY=TYPE=OPTIONS;..." relative to /sys/fs/cgroup; DIRECTORY "." is the top itself
# Waits until eth0 (management) and eth1 (guest traffic) have been put into this network namespace.
#
# The machine's root file system is the lower layer of an overlay, whose upper layer lies on the host's own disk: the host
# has all the machine's programs, and whatever is written inside stays inside.
set -eu

state_dir=$1
host_name=$2
management_cidr=$3
management_gateway=$4
cgroup_mounts=$5

disk=$state_dir/disk
root=$state_dir/root

mount_root() {
    mount -t btrfs -o loop,noatime "$state_dir/disk.img" "$disk"
    mkdir -p "$disk/overlay/upper" "$disk/overlay/work" "$disk/lxc" "$disk/mcp" "$disk/home" "$disk/empty"
    [ -d "$disk/store" ] || btrfs -q subvolume create "$disk/store"
    mount -t overlay -o "lowerdir=/,upperdir=$disk/overlay/upper,workdir=$disk/overlay/work" overlay "$root"
}

# What a real host would not share with any other machine: hidden behind directories of the host's own disk.
mount_own_state() {
    mkdir -p "$root/var/lib/lxc" "$root/var/lib/mcp" "$root/var/cache/lxc" "$disk/mcp/store"
    mount --bind "$disk/lxc" "$root/var/lib/lxc"
    mount --bind "$disk/mcp" "$root/var/lib/mcp"
    mount --bind "$disk/store" "$root/var/lib/mcp/store"
    mount --bind "$disk/empty" "$root/var/cache/lxc"
    mount --bind "$disk/home" "$root/root"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mkdir -p "$root/run/lock/subsys" "$root/run/sshd" "$root/run/lxc" "$root/run/shm"
}

mount_devices() {
    mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/dev/mqueue"
    for node in null zero full random urandom tty fuse kvm net/tun loop-control kmsg console; do
        if [ -c "/dev/$node" ]; then
            cp -a "/dev/$node" "$root/dev/$node"
        fi
    done
    mount -t devpts -o newinstance,mode=620,ptmxmode=666,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
}

# A fresh sysfs, because LXC looks bridges up in /sys/class/net; fresh cgroup mounts show only this host's subtree.
mount_kernel() {
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
    case $cgroup_mounts in
        .=*) ;;
        *) mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup" ;;
    esac
    printf '%s\n' "$cgroup_mounts" | tr ';' '\n' | while IFS='=' read -r directory type options; do
        mkdir -p "$root/sys/fs/cgroup/$directory"
        mount -t "$type" -o "$options" cgroup "$root/sys/fs/cgroup/$directory"
    done
    # The kernel has one boot id for the machine; a host that restarts must show a new one. A proc with something mounted
    # over a part of it may not be mounted again in a user namespace, so guests need one that is whole.
    mkdir -p "$root/run/lab/proc"
    mount -t proc -o nosuid,nodev,noexec proc "$root/run/lab/proc"
    cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
    mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
}

enter_root() {
    cd "$root"
    mkdir -p run/machine
    pivot_root . run/machine
    umount -l /run/machine
    rmdir /run/machine
}

# On cgroup v2 no process may sit where controllers are handed on. LXC knows the name init.scope and steps out of it.
# By the time the cables are in, the one process that stays outside has been moved as well.
leave_cgroup_top() {
    [ -f /sys/fs/cgroup/cgroup.subtree_control ] || return 0
    mkdir -p /sys/fs/cgroup/init.scope
    while read -r process; do
        echo "$process" >/sys/fs/cgroup/init.scope/cgroup.procs || true
    done </sys/fs/cgroup/cgroup.procs
    tr ' ' '\n' </sys/fs/cgroup/cgroup.controllers | while read -r controller; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
}

write_settings() {
    printf '%s\n' "$host_name" >/etc/hostname
    printf '127.0.0.1 localhost\n%s %s\n' "${management_cidr%/*}" "$host_name" >/etc/hosts
    printf 'root:1000000:1000000000\n' >/etc/subuid
    printf 'root:1000000:1000000000\n' >/etc/subgid
    # lxc-containers waits 30 s for Debian's own bridge before it starts guests; here the bridge is br0.
    printf 'USE_LXC_BRIDGE="false"\n' >/etc/default/lxc-net
    printf 'lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.flags = up\nlxc.apparmor.profile = unconfined\n' \
        >/etc/lxc/default.conf
    # sshd refuses accounts whose password is locked, even by key; "*" is "no password" without the lock.
    sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
    cat >/etc/ssh/sshd_config <<-END
	Port 22
	ListenAddress ${management_cidr%/*}
	HostKey /etc/ssh/ssh_host_ed25519_key
	AuthorizedKeysFile /etc/ssh/authorized_keys
	PermitRootLogin prohibit-password
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	UsePAM no
	UseDNS no
	PrintMotd no
	PrintLastLog no
	MaxSessions 100
	MaxStartups 200
	Subsystem sftp internal-sftp
	END
}

write_keys() {
    install -m 600 "$1/host_key" /etc/ssh/ssh_host_ed25519_key
    install -m 644 "$1/host_key.pub" /etc/ssh/ssh_host_ed25519_key.pub
    install -m 600 "$1/authorized_keys" /etc/ssh/authorized_keys
}

wait_for_cables() {
    tries=1000
    until [ -e /sys/class/net/eth0 ] && [ -e /sys/class/net/eth1 ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || {
            echo "no network cable after 10 s" >&2
            exit 1
        }
        sleep 0.01
    done
}

start_network() {
    ip -batch - <<-END
	link set lo up
	addr add $management_cidr dev eth0
	link set eth0 up
	route add default via $management_gateway
	link add br0 type bridge forward_delay 0
	link set eth1 addrgenmode none
	link set br0 addrgenmode none
	link set eth1 master br0
	link set eth1 up
	link set br0 up
	END
}

# Runs for ever: as process 1 it also reaps what has lost its parent, which `wait` does by the way.
keep_sshd() {
    trap 'exit 0' TERM INT
    while :; do
        /usr/sbin/sshd -D -e >>/var/log/lab-sshd.log 2>&1 &
        wait $! || true
        sleep 0.1
    done
}

hostname "$host_name"
mkdir -p "$disk" "$root"
mount_root
mount_own_state
mount_devices
mount_kernel
mkdir "$root/run/seed"
cp "$state_dir"/seed/* "$root/run/seed/"
enter_root
write_settings
write_keys /run/seed
rm -r /run/seed
btrfs quota enable /var/lib/mcp/store
wait_for_cables
leave_cgroup_top
start_network
# What lxc.service does when a Debian host boots: guests that asked for it come back.
/usr/libexec/lxc/lxc-containers start >/var/log/lab-autostart.log 2>&1 &
keep_sshd
