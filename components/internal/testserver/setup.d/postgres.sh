# Debian keeps the programs of the server out of the path.
postgres_installed() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
postgres_installed || package postgresql postgresql
postgres_installed || fail "the tests need initdb and postgres: install PostgreSQL and run again"
