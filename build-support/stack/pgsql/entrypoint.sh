#!/bin/sh
# The first process of the container: makes the database and its user the first time, then becomes postgres.
set -eu

case "${1-}" in -*) set -- postgres "$@" ;; esac
if [ "${1-}" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    install -d -o postgres -g postgres /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

# What was begun and not finished is begun anew; what is there otherwise is somebody's database and stays.
if [ ! -e "$PGDATA/PG_VERSION" ] || [ -e "$PGDATA/making" ]; then
    if [ ! -e "$PGDATA/making" ] && [ -n "$(ls -A "$PGDATA")" ]; then
        echo "$PGDATA has files, but no database of PostgreSQL: empty it, or name another volume" >&2
        exit 1
    fi
    POSTGRES_USER=${POSTGRES_USER:-postgres}
    password=${POSTGRES_PASSWORD-}
    if [ -n "${POSTGRES_PASSWORD_FILE-}" ]; then password=$(cat "$POSTGRES_PASSWORD_FILE"); fi
    touch "$PGDATA/making"
    find "$PGDATA" -mindepth 1 ! -name making -delete
    (umask 077 && printf '%s\n' "$password" >/tmp/pwfile)
    # initdb wants an empty folder.
    initdb --pgdata="$PGDATA/new" --username="$POSTGRES_USER" --pwfile=/tmp/pwfile --auth-local=trust \
        --auth-host=scram-sha-256 >/dev/null
    rm /tmp/pwfile
    mv "$PGDATA"/new/* "$PGDATA"
    rmdir "$PGDATA/new"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    database=${POSTGRES_DB:-$POSTGRES_USER}
    if [ "$database" != postgres ]; then
        printf 'CREATE DATABASE "%s"\n' "$(printf %s "$database" | sed 's/"/""/g')" |
            postgres --single -D "$PGDATA" postgres >/dev/null
    fi
    rm "$PGDATA/making"
fi
exec "$@" -c listen_addresses='*'
