#!/bin/sh
# Run a command with throw-away PostgreSQL and Redis servers, named to it by MCP_DATABASE_URL and MCP_BROKER_URL; they are
# stopped again whatever happens. With --optional the command runs without them where they cannot be started.
# usage: servers.sh [--optional] COMMAND...
set -eu

cd "$(dirname "$0")/.."
optional=
if [ "${1:-}" = --optional ]; then
    optional=yes
    shift
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/mcp-servers.XXXXXX")
chmod 755 "$work" # the user postgres must get through
pg_bin=
redis_pid=

# shellcheck disable=SC2317  # called by the trap
stop_servers() {
    trap - EXIT INT TERM HUP
    [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || true
    [ -z "$pg_bin" ] || as_postgres "$pg_bin/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
    [ -z "$redis_pid" ] || wait "$redis_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap stop_servers EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# initdb and postgres refuse to run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd "$work" && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

start_postgres() {
    found=
    for candidate in /usr/lib/postgresql/*/bin; do
        [ -x "$candidate/initdb" ] && found=$candidate
    done
    [ -n "$found" ] || { echo "servers.sh: PostgreSQL is not installed; run this as root once" >&2; return 1; }
    mkdir "$work/pg"
    [ "$(id -u)" -ne 0 ] || chown postgres "$work/pg"
    as_postgres "$found/initdb" -D "$work/pg/data" -U mcp -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$work/initdb.log" 2>&1 ||
        { cat "$work/initdb.log" >&2; return 1; }
    # No TCP: the socket's directory is ours alone, so runs side by side never meet. Nothing here outlives the run: no fsync.
    as_postgres "$found/pg_ctl" -D "$work/pg/data" -l "$work/pg/log" -w -t 30 start >"$work/pg_ctl.log" 2>&1 \
        -o "-c listen_addresses='' -c unix_socket_directories='$work/pg' -c max_connections=200 -c fsync=off -c synchronous_commit=off -c full_page_writes=off" ||
        { cat "$work/pg_ctl.log" "$work/pg/log" >&2; return 1; }
    pg_bin=$found
    socket=$(printf '%s' "$work/pg" | sed 's,/,%2F,g')
    MCP_DATABASE_URL="postgres://mcp@$socket/postgres"
    MCP_TEST_PGDATA=$work/pg/data # scenarios crash and restart it
    export MCP_DATABASE_URL MCP_TEST_PGDATA
}

start_redis() {
    command -v redis-server >/dev/null || { echo "servers.sh: redis-server is not installed; run this as root once" >&2; return 1; }
    tries=0
    while [ "$tries" -lt 5 ]; do
        tries=$((tries + 1))
        port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --dir "$work" >"$work/redis.log" 2>&1 &
        redis_pid=$!
        if await_redis "$port"; then
            MCP_BROKER_URL="redis://127.0.0.1:$port/0"
            export MCP_BROKER_URL
            return 0
        fi
        kill "$redis_pid" 2>/dev/null || true
        redis_pid=
    done
    cat "$work/redis.log" >&2
    return 1
}

await_redis() {
    waited=0
    while [ "$waited" -lt 50 ]; do
        [ "$(redis-cli -p "$1" ping 2>/dev/null || true)" = PONG ] && return 0
        kill -0 "$redis_pid" 2>/dev/null || return 1
        waited=$((waited + 1))
        sleep 0.1
    done
    return 1
}

if ! { start_postgres && start_redis; } && [ -z "$optional" ]; then
    exit 1
fi
code=0
"$@" || code=$?
exit "$code"
