#!/bin/sh
# Moving a stopped guest: its root is measured, sent as one archive, received on another host, and measured again there.
# Names inside are the guest's, so they are parted by NUL and never become arguments. Owners are plain numbers: roots are
# mapped when they are mounted (idmap=container), so they are the same whatever range of user ids the guest has here.

guest_at_rest() { # ID
    ID=$1 NAME=mcp-$1 ZONE=$STORE/zones/$1
    load_store
    require_guest
}

verb_measure() { # ID
    guest_at_rest "$1"
    measure "$ZONE/rootfs"
}

# "ENTRIES BYTES DIGEST". Sockets are left out (archives have none), and of directories size and time: unpacking changes them.
measure() { # ROOT
    digest=$(
        find "$1" -xdev -mindepth 1 \( -type d -printf '%P\n%y %m %U %G\0' \) -o -type s -o \
            -printf '%P\n%y %m %U %G %n %s %T@\n%l\0' | sort -z | sha256sum
    )
    numbers=$(
        find "$1" -xdev -mindepth 1 ! -type s -printf '%y %s\n' |
            awk '{ entries++ } $1 == "f" { bytes += $2 } END { printf "%d %.0f", entries, bytes }'
    )
    echo "$numbers ${digest%% *}"
}

# The archive on standard output. The lock is held until it is sent, so nothing starts the guest meanwhile. The compression
# carries a checksum of the content; a tar that failed in the middle is told by this script's exit code.
verb_export() { # ID FENCE
    begin "$1" "$2"
    require_guest
    has_monitor "$NAME" && refuse 75 "the guest runs; stop it first"
    failed=/run/mcp/export-$ID-$$
    rm -f "$failed"
    {
        tar --create --format=posix --numeric-owner --xattrs --xattrs-include='*' --sparse --one-file-system --warning=no-file-ignored \
            -C "$ZONE/rootfs" . || : >"$failed"
    } | zstd -1 -q -c --check
    if [ -e "$failed" ]; then
        rm -f "$failed"
        refuse 75 "the guest's root could not be read whole"
    fi
}

# Whether the guest's root has arrived here, or was always here.
verb_has_root() { # ID
    if [ -f "$STORE/zones/$1/ready" ] || [ -f "$STORE/zones/$1/arrived" ]; then echo yes; else echo no; fi
}

# The archive on standard input. `arrived` marks a root that is whole and on disk: until then every attempt begins anew.
verb_receive() { # ID FENCE DISK_BYTES ENTRIES BYTES DIGEST
    begin "$1" "$2"
    if [ -e "$LXC_PATH/$NAME" ] && [ ! -L "$LXC_PATH/$NAME" ]; then
        refuse 73 "$NAME exists and is not ours"
    fi
    if [ -f "$ZONE/ready" ] || [ -f "$ZONE/arrived" ]; then
        return 0
    fi
    [ -d "$ZONE" ] || mkdir -m 711 "$ZONE"
    remove_root "$ZONE/rootfs" "zone-$ID"
    new_root "$ZONE/rootfs" "zone-$ID"
    [ "$KIND" != btrfs ] || btrfs inspect-internal rootid "$ZONE/rootfs" >"$ZONE/qgroup"
    limit_root "$ID" "$3"
    if ! zstd -dcq | tar --extract --numeric-owner --same-owner --preserve-permissions --xattrs --xattrs-include='*' \
        -C "$ZONE/rootfs"; then
        forget_arrival
        refuse 78 "the archive cannot be unpacked whole"
    fi
    found=$(measure "$ZONE/rootfs")
    if [ "$found" != "$4 $5 $6" ]; then
        forget_arrival
        refuse 78 "what arrived measures $found instead of $4 $5 $6"
    fi
    sync -f "$STORE"
    : >"$ZONE/arrived"
}

forget_arrival() {
    remove_root "$ZONE/rootfs" "zone-$ID"
    rm -rf --one-file-system "$ZONE"
}

# As verb_create, around a root that has arrived. On disk before this ends: the old host's copy goes next.
verb_adopt() {
    verb_create "$@"
    if [ -f "$ZONE/arrived" ]; then
        mv -f "$ZONE/arrived" "$ZONE/moved"
    fi
    sync -f "$STORE"
}

# At the first start after a move: say where the guest is now.
announce() {
    [ -f "$ZONE/moved" ] || return 0
    init_pid "$NAME"
    [ -n "$PID" ] || return 0
    port='' mac=''
    while read -r key _ value; do
        case $key in
            lxc.net.*.name) port=$value ;;
            lxc.net.*.hwaddr) mac=$value ;;
            lxc.net.*.ipv4.address) nsenter -t "$PID" -n perl "$SCRIPTS/announce.pl" "$port" "$mac" "${value%/*}" >&2 || return 0 ;;
        esac
    done <"$ZONE/config"
    rm -f "$ZONE/moved"
}
