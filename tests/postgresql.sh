#!/usr/bin/env bash
# postgresql.sh: the recipe that copies reports into PostgreSQL (examples/README.md), by a server of its own that is gone afterwards. As
# root, with the package postgresql. Texts have what COPY and CSV would take amiss.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | tail -n 1)
grep '^psql ' examples/README.md >"$folder/recipe.sh"
cat >"$folder/reports.jsonl" <<'END'
{"id":1,"kind":"segment","text":"He says \"no\\yes\", then\nleaves; 1,2 \t\\N","utc":"2026-11-30T14:00:00.000Z"}
{"id":2,"kind":"segment","text":"\u00fc","utc":null}
END
chown -R postgres "$folder"
su postgres -c "$bin/initdb -D $folder/data >/dev/null"
su postgres -c "$bin/pg_ctl -D $folder/data -w -o \"-k $folder -c listen_addresses=''\" -l $folder/log start >/dev/null"
trap 'su postgres -c "$bin/pg_ctl -D $folder/data -m immediate stop >/dev/null"; rm -rf "$folder"' EXIT

cd "$folder"
export PGHOST=$folder PGUSER=postgres
sh -e recipe.sh
[ "$(psql -At -c "SELECT report->>'text' FROM reports WHERE report->>'id' = '1'")" = $'He says "no\\yes", then\nleaves; 1,2 \t\\N' ]
[ "$(psql -At -c "SELECT count(*) FROM reports")" = 2 ]
echo "ok"
