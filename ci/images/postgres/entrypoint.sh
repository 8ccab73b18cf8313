#!/bin/sh
# The part of the public image's contract that Overbooked uses: POSTGRES_USER, POSTGRES_PASSWORD and
# POSTGRES_DB make the cluster on the first start; arguments go to the server.
set -eu
: "${PGDATA:?}" "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  secret=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$secret"
  initdb --pgdata="$PGDATA" --username="$user" --pwfile="$secret" \
    --auth-host=scram-sha-256 --auth-local=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  rm -f "$secret"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "${POSTGRES_DB:-$user}" != postgres ]; then
    printf 'CREATE DATABASE "%s";\n' "${POSTGRES_DB:-$user}" |
      postgres --single -E -D "$PGDATA" -j postgres >/dev/null
  fi
fi
[ "${1:-}" = postgres ] && shift
exec postgres -c listen_addresses='*' "$@"
