#!/bin/sh
# What is on the host, as raw lines that ../parse.py reads. Few processes whatever the number of guests: files are listed by
# globs and printed by one grep, "PATH:LINE".

SETTINGS='# mcp\.|lxc\.(idmap|uts\.name|cgroup2?\.[a-z]|net\.[0-9]+\.(hwaddr|veth\.pair|ipv4\.address)) *'
# Everything else that is read holds numbers, "max", or a state in capitals.
VALUES='(-?[0-9]+|max)( [0-9]+)?$|[A-Z]+$'

dump() { # ID or "*", and "no" if it is known that nothing runs
    printf '@files\n'
    if [ "$1" = '*' ]; then dump_files '*' '*'; else dump_files "mcp-$1" "$1"; fi
    printf '@zones\n'
    for zone in "$STORE"/zones/*/; do
        [ -d "$zone" ] && printf '%s\n' "$zone"
    done
    printf '@links\n'
    for link in "$LXC_PATH"/*/; do
        [ -d "$link" ] && if [ -L "${link%/}" ]; then printf 'L %s\n' "$link"; else printf 'D %s\n' "$link"; fi
    done
    printf '@ports\n'
    [ "${2-}" = no ] || nft list tables netdev 2>/dev/null || true
    printf '@disk\n'
    dump_disk "$1"
    printf '@images\n'
    if [ "$1" = '*' ]; then
        for image in "$STORE"/images/*/; do
            [ -d "$image" ] && printf '%s\n' "$image"
        done
    fi
    printf '@end\n'
}

# The arguments may be "*", which is to be expanded.
# shellcheck disable=SC2086
dump_files() { # NAME_PATTERN ID_PATTERN
    groups=/sys/fs/cgroup
    if [ -f $groups/cgroup.controllers ]; then
        set -- "$1" "$2" $groups/lxc.payload.$1/memory.max $groups/lxc.payload.$1/cpu.max $groups/lxc.payload.$1/pids.max \
            $groups/lxc.payload.$1/pids.current $groups/lxc.payload.$1/cgroup.freeze
    else
        set -- "$1" "$2" $groups/memory/lxc.payload.$1/memory.limit_in_bytes $groups/cpu/lxc.payload.$1/cpu.cfs_quota_us \
            $groups/cpu/lxc.payload.$1/cpu.cfs_period_us $groups/pids/lxc.payload.$1/pids.max \
            $groups/pids/lxc.payload.$1/pids.current $groups/freezer/lxc.payload.$1/freezer.state
    fi
    configs=$1 zones=$2
    shift 2
    grep -sHE "^($SETTINGS|$VALUES)|@$LXC_PATH/[^/]+/command" "$LXC_PATH"/$configs/config /proc/net/unix \
        "$STORE"/fences/$zones "$STORE"/zones/$zones/qgroup "$@" || true
}

dump_disk() { # ID or "*"
    printf 'kind %s\n' "$KIND"
    case $KIND in
        btrfs) btrfs qgroup show --raw -r "$STORE" 2>/dev/null || true ;;
        zfs) zfs get -Hp -t filesystem -o name,property,value -r refquota,referenced "$DATASET" || true ;;
    esac
}
