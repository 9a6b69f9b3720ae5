#!/bin/sh
# The verbs on one guest. Each may be killed at any line and repeated: `ready` marks a whole root, files appear by rename.
# ID, NAME and ZONE are set by begin.

begin() { # ID FENCE
    ID=$1
    NAME=mcp-$1
    ZONE=$STORE/zones/$1
    make_store
    load_store
    lock "$ID" 60
    pass_fence "$ID" "$2"
}

require_guest() {
    if [ ! -f "$ZONE/ready" ] || [ ! -f "$ZONE/config" ] || [ ! -L "$LXC_PATH/$NAME" ]; then
        refuse 72 "the host has no guest $ID"
    fi
}

# Another guest's user ids or address must never be handed out twice, whatever the control plane believes.
check_taken() { # BASE ADDRESS...
    pattern="idmap = u 0 $1 "
    shift
    for address in "$@"; do
        # The dots match only dots: an address has just three, and every digit of the pattern stands for itself.
        pattern="$pattern|net\\.[0-9]+\\.ipv4\\.address = $address/"
    done
    others=
    for config in "$LXC_PATH"/*/config; do
        [ "$config" = "$LXC_PATH/$NAME/config" ] || others="$others $config"
    done
    # shellcheck disable=SC2086  # LXC's names hold no spaces
    taken=$(grep -sHE "^lxc\\.($pattern)" /dev/null $others) || return 0
    refuse 75 "already used by another guest: $taken"
}

verb_create() { # ID FENCE UID_BASE IMAGE_KEY DISK_BYTES MEMORY QUOTA SHARES WEIGHT PIDS ADDRESS...; files on stdin
    begin "$1" "$2"
    base=$3 image=$4 disk=$5
    limits="$6 $7 $8 $9 ${10}"
    shift 10
    if [ -e "$LXC_PATH/$NAME" ] && [ ! -L "$LXC_PATH/$NAME" ]; then
        refuse 73 "$NAME exists and is not ours"
    fi
    check_taken "$base" "$@"
    install_library
    [ -d "$ZONE" ] || mkdir -m 711 "$ZONE"
    if [ ! -f "$ZONE/ready" ] && [ ! -f "$ZONE/arrived" ]; then
        [ -d "$STORE/images/$image" ] || refuse 74 "the host has no copy of image $image"
        remove_root "$ZONE/rootfs" "zone-$ID"
        clone_root "$image" "$ID" "$disk"
    fi
    converge "$disk" "$limits"
    dump "$ID" "$monitored"
}

verb_configure() { # as verb_create
    begin "$1" "$2"
    base=$3 disk=$5
    limits="$6 $7 $8 $9 ${10}"
    shift 10
    require_guest
    check_taken "$base" "$@"
    install_library
    converge "$disk" "$limits"
    dump "$ID" "$monitored"
}

# What configurations name must outlive /run: the port's script and the system call filter, by the hash of their content.
install_library() {
    library=$STORE/lib/${SCRIPTS##*/}
    [ -d "$library" ] && return 0
    rm -rf "$library.$$"
    mkdir -p "$library.$$"
    cp "$SCRIPTS/port.sh" "$SCRIPTS/reboot.sh" "$library.$$/"
    cat /usr/share/lxc/config/common.seccomp "$SCRIPTS/extra.seccomp" >"$library.$$/seccomp"
    mv -T "$library.$$" "$library" || rm -rf "$library.$$"
}

converge() { # DISK_BYTES LIMITS
    limit_root "$ID" "$1"
    [ -f "$ZONE/autostart" ] || printf 'lxc.start.auto = 0\n' >"$ZONE/autostart"
    dialect
    perl "$SCRIPTS/inside.pl" write "$ZONE" "$TAGS" || refuse 75 "the guest's root could not be written"
    : >"$ZONE/ready"
    [ -L "$LXC_PATH/$NAME" ] || ln -sfn "$ZONE" "$LXC_PATH/$NAME"
    monitored=no
    has_monitor "$NAME" || return 0
    monitored=yes
    # shellcheck disable=SC2086  # five numbers
    limit_running $2
}

# Which of the tagged configuration lines this host takes; see ../render.py.
dialect() { # -> TAGS
    tags='='
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        tags="${tags}2"
        grep -qs '^SwapTotal: *[1-9]' /proc/meminfo && tags="${tags}s"
    else
        tags="${tags}1"
        [ -f /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] && tags="${tags}m"
    fi
    state=N
    [ -r /sys/module/apparmor/parameters/enabled ] && read -r state </sys/module/apparmor/parameters/enabled
    if [ "$state" = Y ]; then tags="${tags}A"; else tags="${tags}a"; fi
    TAGS=$tags
}

set_group() { # FILE VALUE
    [ -f "$1" ] || return 0
    printf '%s' "$2" >"$1" 2>/dev/null || refuse 75 "the running guest does not fit the limit $2 of ${1##*/}"
}

limit_running() { # MEMORY QUOTA SHARES WEIGHT PIDS
    top=/sys/fs/cgroup
    if [ -f $top/cgroup.controllers ]; then
        group=$top/lxc.payload.$NAME
        set_group "$group/memory.max" "$1"
        set_group "$group/cpu.max" "$2 100000"
        set_group "$group/cpu.weight" "$4"
        set_group "$group/pids.max" "$5"
        return 0
    fi
    group=$top/memory/lxc.payload.$NAME
    # memory + swap may never be below memory: the order depends on the direction, so try one, then the other.
    if ! printf '%s' "$1" 2>/dev/null >"$group/memory.limit_in_bytes"; then
        set_group "$group/memory.memsw.limit_in_bytes" "$1"
        set_group "$group/memory.limit_in_bytes" "$1"
    fi
    set_group "$group/memory.memsw.limit_in_bytes" "$1"
    set_group "$top/cpu/lxc.payload.$NAME/cpu.cfs_quota_us" "$2"
    set_group "$top/cpu/lxc.payload.$NAME/cpu.shares" "$3"
    set_group "$top/pids/lxc.payload.$NAME/pids.max" "$5"
}

verb_start() { # ID FENCE
    begin "$1" "$2"
    require_guest
    printf 'lxc.start.auto = 1\n' >"$ZONE/autostart"
    # A start that was cut off from its script goes on holding the lock until the guest runs: lxc-start keeps descriptor 9
    # and closes it only in the monitor that it leaves behind.
    if ! has_monitor "$NAME"; then
        : >"$ZONE/log"
        if ! lxc-start -P "$LXC_PATH" -n "$NAME" -l ERROR -o "$ZONE/log" </dev/null >&2; then
            tail -c 700 "$ZONE/log" >&2
            refuse 75 "the guest did not start"
        fi
    fi
    announce
    dump "$ID"
}

verb_stop() { # ID FENCE SECONDS
    begin "$1" "$2"
    require_guest
    printf 'lxc.start.auto = 0\n' >"$ZONE/autostart"
    if has_monitor "$NAME"; then
        if [ "$3" -gt 0 ]; then
            lxc-stop -P "$LXC_PATH" -n "$NAME" -t "$3" >&2 || true
        fi
        kill_guest
    fi
    dump "$ID"
}

kill_guest() {
    has_monitor "$NAME" || return 0
    lxc-stop -P "$LXC_PATH" -n "$NAME" -k >&2 || true
    wait_gone "$NAME" || refuse 75 "the guest's processes do not end"
}

verb_destroy() { # ID FENCE PORT_PREFIX
    begin "$1" "$2"
    if [ -e "$LXC_PATH/$NAME" ] && [ ! -L "$LXC_PATH/$NAME" ]; then
        refuse 73 "$NAME exists and is not ours"
    fi
    kill_guest
    for table in $(nft list tables netdev 2>/dev/null | grep -oE "mcp_$3[0-9]+"); do
        nft delete table netdev "$table"
    done
    rm -f "$ZONE/ready" "$LXC_PATH/$NAME"
    if [ -d "$ZONE" ] || [ "$KIND" = zfs ]; then
        remove_root "$ZONE/rootfs" "zone-$ID"
        rm -rf --one-file-system "$ZONE"
    fi
}

init_pid() { # NAME -> PID or empty
    PID=$(lxc-info -P "$LXC_PATH" -n "$1" -pH 2>/dev/null) || PID=
}

# Listening sockets are read from the guest's own network namespace, by the process number of its init.
verb_wait() { # ID PORT CENTISECONDS
    NAME=mcp-$1
    wanted=$(printf ':%04X' "$2")
    uptime_cs
    deadline=$((NOW + $3))
    PID=
    while :; do
        if [ -z "$PID" ] || [ ! -d "/proc/$PID" ]; then
            init_pid "$NAME"
        fi
        if [ -n "$PID" ] && is_up "$2"; then
            echo yes
            return 0
        fi
        uptime_cs
        [ "$NOW" -lt "$deadline" ] || break
        sleep 0.01
    done
    echo no
}

is_up() { # PORT
    if [ "$1" = 0 ]; then
        comm=
        read -r comm <"/proc/$PID/comm" || return 1
        [ "$comm" != lxc-start ]
        return
    fi
    cat "/proc/$PID/net/tcp" "/proc/$PID/net/tcp6" 2>/dev/null | grep -q "$wanted [0-9A-F]*:0000 0A"
}

verb_first_boot() { # ID
    [ -d "$STORE/zones/$1/rootfs" ] || return 0
    perl "$SCRIPTS/inside.pl" first-boot "$STORE/zones/$1"
}
