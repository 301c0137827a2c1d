#!/bin/sh
# A real PostgreSQL server for tests and benchmarks, in a temporary folder, on a Unix socket only.
#
#     postgres-server.sh [--small MEGABYTES] [--disk] [NAME=VALUE ...]
#
# Prints `ready CONNINFO` once it answers. It runs until standard input closes, however whoever
# started it ends; then it is stopped and its folder is removed. Lines on standard input: `start`,
# `stop` (cut off as by a power cut: immediate mode); each is answered by `ready` or `stopped`.
#   --small   puts the tables on a file system of so many megabytes of their own (needs root);
#             CONNINFO then leads to a database there
#   --disk    keeps the data in the temporary folder of the disk, else in memory if there is room
#   NAME=VALUE is a setting of the server
# Exit code 3: PostgreSQL is missing.
set -eu
if [ "${1:-}" = --small ] && [ -z "${POSTGRES_SERVER_MOUNTS:-}" ]; then
    # The mount is seen by this process and its children only, and is gone with them.
    POSTGRES_SERVER_MOUNTS=own exec unshare --mount "$0" "$@"
fi
small=
if [ "${1:-}" = --small ]; then small=$2; shift 2; fi
base=/dev/shm
[ -d "$base" ] && [ "$(df -Pk "$base" | awk 'NR == 2 { print $4 }')" -ge 1048576 ] || base=${TMPDIR:-/tmp}
if [ "${1:-}" = --disk ]; then base=${TMPDIR:-/tmp}; shift; fi

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] || bin=$(dirname "$(command -v postgres || echo /missing/postgres)")
if ! [ -x "$bin/postgres" ]; then
    echo "PostgreSQL is missing: run Tests/Harness/install-deps.sh, or apt-get install postgresql" >&2
    exit 3
fi

folder=$(mktemp -d -p "$base")
server=
as=
finish() {
    if [ -n "$server" ]; then kill -QUIT "$server" 2>/dev/null || true; wait "$server" || true; fi
    if [ -n "$small" ]; then umount "$folder/small" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
# Also when nobody is left to answer to.
trap 'exit 1' HUP INT TERM PIPE
if [ "$(id -u)" -eq 0 ]; then
    # The server refuses to run as root.
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$folder"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
chmod 755 "$folder"
cd "$folder"
$as "$bin/initdb" -D "$folder/data" -U postgres -A trust --encoding=UTF8 --locale=C --no-sync \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
{
    echo "listen_addresses = ''"
    echo "unix_socket_directories = '$folder'"
    echo "max_wal_size = '2GB'"
    for setting in "$@"; do echo "${setting%%=*} = '${setting#*=}'"; done
} >>"$folder/data/postgresql.conf"
# Members of `guarded` need a password, for the tests of what is said about passwords.
printf 'local all +guarded scram-sha-256\nlocal all all trust\n' >"$folder/data/pg_hba.conf"

start() {
    # Not this script's standard input: the server must not hold it open.
    $as "$bin/postgres" -D "$folder/data" </dev/null >>"$folder/server.log" 2>&1 &
    server=$!
    until "$bin/pg_isready" -q -h "$folder" -U postgres; do
        kill -0 "$server" 2>/dev/null || { cat "$folder/server.log" >&2; exit 1; }
        sleep 0.02
    done
}
sql() { "$bin/psql" -q -h "$folder" -U postgres -c "$1" >/dev/null; }
start
sql "CREATE ROLE guarded"
database=postgres
if [ -n "$small" ]; then
    mkdir "$folder/small"
    mount -t tmpfs -o "size=${small}m,mode=700,uid=$(id -u "$user")" tmpfs "$folder/small"
    sql "CREATE TABLESPACE small LOCATION '$folder/small'"
    sql "CREATE DATABASE small TABLESPACE small"
    database=small
fi
echo "ready host=$folder user=postgres dbname=$database"
while read -r line; do
    case $line in
    start) start; echo ready ;;
    stop) kill -QUIT "$server"; wait "$server" || true; server=; echo stopped ;;
    *) echo "start or stop, not $line" >&2; exit 2 ;;
    esac
done
