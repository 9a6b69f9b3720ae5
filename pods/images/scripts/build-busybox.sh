#!/bin/sh
# Make a root file system of busybox (static) and dropbear with the libraries it needs.
#
# usage: build-busybox.sh FILES ROOT
set -eu

files=$1
root=$2

find_program() {
    for directory in /bin /usr/bin /sbin /usr/sbin; do
        if [ -x "$directory/$1" ]; then
            echo "$directory/$1"
            return
        fi
    done
    echo "$1 is missing: apt-get install $2" >&2
    exit 1
}

install_busybox() {
    install -D -m 755 "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    mkdir -p "$root/sbin"
}

# ldd prints "NAME => /path (address)", and the loader as "/path (address)".
install_dropbear() {
    install -D -m 755 "$dropbear" "$root/usr/sbin/dropbear"
    ldd "$dropbear" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' | while read -r library; do
        install -D -m 755 "$library" "$root$library"
    done
}

write_settings() {
    mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/var/log" "$root/etc/dropbear"
    chmod 1777 "$root/tmp"
    ln -s ../run "$root/var/run"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:*:19000:0:99999:7:::\n' >"$root/etc/shadow"
    printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf '/bin/sh\n' >"$root/etc/shells"
    printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
    printf 'localhost\n' >"$root/etc/hostname"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/machine-id"
    chmod 600 "$root/etc/shadow"
    install -d -m 700 "$root/root" "$root/root/.ssh" "$root/var/lib/mcp"
    install -m 755 "$files/busybox-init" "$root/sbin/init"
    install -D -m 755 "$files/first-boot" "$root/usr/lib/mcp/first-boot"
}

busybox=$(find_program busybox busybox-static)
dropbear=$(find_program dropbear dropbear-bin)
umask 022
mkdir -p "$root"
install_busybox
install_dropbear
write_settings
