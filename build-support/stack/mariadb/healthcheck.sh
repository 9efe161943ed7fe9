#!/bin/sh
# Says whether the server takes connections over TCP; it refuses us, and that is an answer. Options are for the public image's script.
set -eu
mariadb-admin --protocol=tcp --host=127.0.0.1 --user=healthcheck --connect-timeout=2 ping >/dev/null 2>&1
