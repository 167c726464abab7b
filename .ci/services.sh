# Sourced: PostgreSQL and Redis on this machine, started where they are not running, installed
# where they are not there. Sets DATABASE_URL and CELERY_BROKER_URL unless they are set already.
# shellcheck shell=bash

. scripts/apt.sh

as_user() { # as_user NAME COMMAND...
  local user=$1
  shift
  if [ "$(id -u)" -eq 0 ]; then runuser -u "$user" -- "$@"; else sudo -n -u "$user" "$@"; fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# until_true SECONDS COMMAND... waits for something to come up.
until_true() {
  local tries=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.2
  done
}

start_postgres() {
  command -v pg_lsclusters >/dev/null || apt_install "PostgreSQL" postgresql
  local version name port state rest
  [ -n "$(pg_lsclusters --no-header)" ] || as_root pg_createcluster \
    "$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tail -1)" main
  # shellcheck disable=SC2034 # the rest of the line is not needed
  read -r version name port state rest < <(pg_lsclusters --no-header | sort -k4,4r | tail -1)
  if [ "$state" != online ]; then
    echo "Starting PostgreSQL $version on port $port"
    as_root pg_ctlcluster "$version" "$name" start
  fi
  until_true 30 pg_isready --quiet --port "$port" || {
    echo "PostgreSQL $version does not answer on port $port." >&2
    return 1
  }
  # A role of its own that may make databases and nothing more, with a password of this run.
  local role=portal_ci password
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  (cd / && as_user postgres psql --quiet --no-psqlrc --port "$port" --dbname postgres \
    --set ON_ERROR_STOP=1) <<SQL
DO \$\$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$role') THEN CREATE ROLE $role; END IF;
END \$\$;
ALTER ROLE $role LOGIN CREATEDB NOSUPERUSER PASSWORD '$password';
SQL
  export DATABASE_URL="postgres://$role:$password@127.0.0.1:$port/postgres"
}

start_redis() {
  command -v redis-server >/dev/null || apt_install "Redis" redis-server
  if ! redis-cli -h 127.0.0.1 ping >/dev/null 2>&1; then
    echo "Starting Redis on port 6379"
    # A service manager that came with the package may be faster; then this one finds its port
    # taken and ends, and the other answers.
    redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no --dir "${TMPDIR:-/tmp}" \
      --daemonize yes >/dev/null
  fi
  until_true 15 redis-cli -h 127.0.0.1 ping || {
    echo "Redis does not answer on port 6379." >&2
    return 1
  }
  export CELERY_BROKER_URL="redis://127.0.0.1:6379/15"
}

[ -n "${DATABASE_URL:-}" ] || start_postgres
[ -n "${CELERY_BROKER_URL:-}" ] || start_redis
