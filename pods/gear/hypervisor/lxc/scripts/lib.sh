#!/bin/sh
# Shared by every verb. The driver sends all parts of this directory joined into one file, main.sh last; see ../bundle.py.
#
# Exit codes are the driver's vocabulary: 70 stale fence, 71 busy, 72 no such guest, 73 foreign guest, 74 no image copy,
# 75 refused (the reason is on standard error), 76 image broken, 77 store full, 78 a guest's copy is not the original. 97
# means that the host lost the scripts.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

refuse() { # CODE SENTENCE
    printf '%s\n' "$2" >&2
    exit "$1"
}

# Directories of the store; a host is given them at its first image or guest. They let pass (711) but not list: a guest's
# root must be reachable by its own user ids only.
make_store() {
    [ -d "$STORE/fences" ] && [ -f "$STORE/kind" ] && return 0
    mkdir -p "$STORE/images" "$STORE/zones" "$STORE/fences" "$STORE/lib"
    chmod 711 "$STORE" "$STORE/zones"
    chmod 700 "$STORE/images" "$STORE/fences"
    store_kind >"$STORE/.kind.$$"
    mv -f "$STORE/.kind.$$" "$STORE/kind"
}

# One command at a time for one guest: the lock is held by file descriptor 9 until this process ends. It lies in /run, which
# a restart empties; fences lie in the store, which it does not.
lock() { # NAME SECONDS
    [ -d /run/mcp/locks ] || mkdir -p /run/mcp/locks # /run/mcp is 700: the driver made it
    exec 9>"/run/mcp/locks/$1"
    flock -w "$2" 9 || refuse 71 "another command for $1 is still at work after $2 s"
}

read_fence() { # ID -> FENCE_SEEN
    FENCE_SEEN=0 FENCE_LINES=0
    [ -f "$STORE/fences/$1" ] || return 0
    while read -r number; do
        FENCE_LINES=$((FENCE_LINES + 1))
        case $number in '' | *[!0-9]*) continue ;; esac
        [ "$number" -le "$FENCE_SEEN" ] || FENCE_SEEN=$number
    done <"$STORE/fences/$1"
}

# Refuse an older command; remember a newer one. Numbers are appended, the highest counts: a power cut loses at most the
# last line, and no process is needed to write it. A long file is replaced by rename now and then.
pass_fence() { # ID FENCE
    read_fence "$1"
    [ "$2" -ge "$FENCE_SEEN" ] || refuse 70 "fence $2 is older than $FENCE_SEEN, seen before"
    [ "$2" -eq "$FENCE_SEEN" ] && return 0
    if [ "$FENCE_LINES" -lt 32 ]; then
        printf '%s\n' "$2" >>"$STORE/fences/$1"
        return 0
    fi
    printf '%s\n' "$2" >"$STORE/fences/.$1.new"
    mv -f "$STORE/fences/.$1.new" "$STORE/fences/$1"
}

uptime_cs() { # -> NOW, hundredths of a second since boot, without a fork
    read -r NOW _ </proc/uptime
    NOW=${NOW%.*}${NOW#*.}
}

# A guest's command socket stands as long as its monitor does.
has_monitor() { # NAME
    grep -qF "@$LXC_PATH/$1/command" /proc/net/unix
}

wait_gone() { # NAME
    uptime_cs
    deadline=$((NOW + 1000))
    while has_monitor "$1"; do
        uptime_cs
        [ "$NOW" -lt "$deadline" ] || return 1
        sleep 0.01
    done
}
