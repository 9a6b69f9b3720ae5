#!/bin/sh
# mmdebstrap's customize hook: turn a fresh Debian root into one that boots fast as an unprivileged zone and lets nobody
# in but by key.
#
# usage: customize-debian.sh FILES DORMANT_UNITS ROOT
#   DORMANT_UNITS  units to leave off, separated by ','
set -eu

files=$1
dormant=$2
root=$3

neutral_identity() {
    : >"$root/etc/machine-id"
    rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*
    printf 'localhost\n' >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/fstab"
    printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
    : >"$root/etc/motd"
    rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap
    rm -rf "$root"/var/log/apt "$root"/var/log/*.log "$root"/var/cache/ldconfig/* "$root"/var/cache/debconf/*-old
}

install_files() {
    install -D -m 644 "$files/sshd.conf" "$root/etc/ssh/sshd_config.d/10-mcp.conf"
    install -D -m 644 "$files/systemd/ssh-early.conf" "$root/etc/systemd/system/ssh.service.d/10-early.conf"
    install -D -m 644 "$files/systemd/mcp-first-boot.service" "$root/etc/systemd/system/mcp-first-boot.service"
    install -D -m 755 "$files/first-boot" "$root/usr/lib/mcp/first-boot"
    install -d -m 700 "$root/var/lib/mcp" "$root/root/.ssh"
    install -d "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nSystemMaxUse=32M\n' >"$root/etc/systemd/journald.conf.d/10-mcp.conf"
}

# What a zone has no use for, or may not do: hardware, kernel file systems, consoles nobody can log in on.
quiet_units() {
    systemctl --root="$root" --quiet mask \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
        dev-hugepages.mount proc-sys-fs-binfmt_misc.automount \
        systemd-modules-load.service modprobe@.service systemd-logind.service dbus-org.freedesktop.login1.service systemd-update-utmp.service \
        systemd-update-utmp-runlevel.service systemd-sysusers.service systemd-remount-fs.service \
        systemd-tmpfiles-setup-dev.service dev-mqueue.mount \
        systemd-udevd.service systemd-udev-trigger.service systemd-firstboot.service systemd-machine-id-commit.service \
        e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer apt-daily-upgrade.timer \
        console-getty.service getty@.service getty.target systemd-ask-password-console.path systemd-ask-password-wall.path
    systemctl --root="$root" --quiet set-default multi-user.target
    systemctl --root="$root" --quiet enable mcp-first-boot.service ssh.service
}

leave_dormant() {
    [ -n "$dormant" ] || return 0
    printf '%s\n' "$dormant" | tr ',' '\n' | while read -r unit; do
        systemctl --root="$root" --quiet disable "$unit.service"
    done
}

neutral_identity
install_files
quiet_units
leave_dormant
