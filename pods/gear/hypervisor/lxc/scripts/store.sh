#!/bin/sh
# Roots of guests on the store: cloned by the fastest means it has, limited where it can, removed whole.
# STORE/kind says what it is: btrfs, "zfs DATASET", or dir.

store_kind() {
    case $(stat -f -c %T "$STORE") in
        btrfs)
            btrfs quota enable "$STORE" >&2
            echo btrfs
            ;;
        zfs) echo "zfs $(zfs list -H -o name "$STORE")" ;;
        *) echo dir ;;
    esac
}

load_store() { # -> KIND, DATASET
    KIND=dir DATASET=
    if [ -f "$STORE/kind" ]; then
        read -r KIND DATASET <"$STORE/kind" || true
    fi
}

# An empty root for an image; finished by keep_root.
new_root() { # PATH NAME
    case $KIND in
        btrfs) btrfs -q subvolume create "$1" ;;
        zfs) zfs create -o "mountpoint=$1" "$DATASET/$2" ;;
        *) mkdir "$1" ;;
    esac
}

keep_root() { # TEMPORARY FINAL NAME
    case $KIND in
        zfs)
            zfs set "mountpoint=$2" "$DATASET/$3"
            zfs snapshot "$DATASET/$3@clean"
            ;;
        *) mv -T "$1" "$2" ;;
    esac
}

# The clone and its limit. The number of the btrfs quota group is kept beside it, for one listing shows all guests' use.
clone_root() { # IMAGE_KEY ID BYTES
    root=$STORE/zones/$2/rootfs
    case $KIND in
        btrfs)
            btrfs -q subvolume snapshot "$STORE/images/$1" "$root"
            btrfs inspect-internal rootid "$root" >"$STORE/zones/$2/qgroup"
            ;;
        zfs) zfs clone -o "mountpoint=$root" -o "refquota=$3" "$DATASET/image-$1@clean" "$DATASET/zone-$2" ;;
        *) cp -a --reflink=auto "$STORE/images/$1" "$root" ;;
    esac
}

limit_root() { # ID BYTES
    case $KIND in
        btrfs) btrfs qgroup limit "$2" "$STORE/zones/$1/rootfs" ;;
        zfs) zfs set "refquota=$2" "$DATASET/zone-$1" ;;
    esac
}

remove_root() { # PATH NAME
    case $KIND in
        btrfs) remove_subvolume "$1" ;;
        zfs) remove_dataset "$DATASET/$2" ;;
    esac
    if [ -e "$1" ] || [ -L "$1" ]; then
        rm -rf --one-file-system "$1"
    fi
}

remove_subvolume() { # PATH
    [ -d "$1" ] || return 0
    [ "$(stat -c %i "$1")" = 256 ] || return 0
    group=$(btrfs inspect-internal rootid "$1")
    btrfs -q subvolume delete "$1" >/dev/null 2>&1 || remove_nested "$1"
    # The group of a subvolume that is gone only costs time; newer kernels drop it by themselves.
    btrfs qgroup destroy "0/$group" "$STORE" >/dev/null 2>&1 || true
}

# Subvolumes within (made by an older kernel's guest, or by hand) go first, the deepest first.
remove_nested() { # PATH
    find "$1" -xdev -depth -inum 256 -type d -exec btrfs -q subvolume delete {} \; >/dev/null 2>&1 || true
    find "$1" -depth -inum 256 -type d -exec btrfs -q subvolume delete {} \; >/dev/null
}

remove_dataset() { # DATASET
    zfs list -H -o name "$1" >/dev/null 2>&1 || return 0
    zfs destroy -r "$1"
}
