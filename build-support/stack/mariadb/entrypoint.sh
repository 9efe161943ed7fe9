#!/bin/sh
# The first process of the container: makes the database and its user the first time, then becomes mariadbd.
set -eu

data=/var/lib/mysql
case "${1-}" in -*) set -- mariadbd "$@" ;; esac
if [ "${1-}" != mariadbd ]; then exec "$@"; fi
shift

quoted() {
    printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g; s/\\\\/\\\\\\\\/g")"
}

chown mysql:mysql "$data"
# What was begun and not finished is begun anew; what is there otherwise is somebody's database and stays.
if [ ! -d "$data/mysql" ] || [ -e "$data/.making" ]; then
    if [ ! -e "$data/.making" ] && [ -n "$(ls -A "$data")" ]; then
        echo "$data has files, but no database of MariaDB: empty it, or name another volume" >&2
        exit 1
    fi
    password=${MARIADB_PASSWORD-}
    if [ -n "${MARIADB_PASSWORD_FILE-}" ]; then password=$(cat "$MARIADB_PASSWORD_FILE"); fi
    touch "$data/.making"
    find "$data" -mindepth 1 ! -name .making -delete
    mariadb-install-db --user=mysql --datadir="$data" --skip-test-db --auth-root-authentication-method=socket >/dev/null
    # shellcheck disable=SC2016  # the backticks are SQL's
    name=$(printf %s "$MARIADB_DATABASE" | sed 's/`/``/g')
    user=$(quoted "$MARIADB_USER")
    {
        printf 'FLUSH PRIVILEGES;\n'
        # shellcheck disable=SC2016
        printf 'CREATE DATABASE `%s`;\n' "$name"
        printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$user" "$(quoted "$password")"
        printf "GRANT ALL ON \`%s\`.* TO %s@'%%';\n" "$name" "$user"
    } | mariadbd --bootstrap --user=mysql --datadir="$data" --log-warnings=0
    rm "$data/.making"
fi
exec mariadbd --user=mysql --datadir="$data" --bind-address=0.0.0.0 --skip-name-resolve "$@"
