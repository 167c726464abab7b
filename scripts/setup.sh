#!/usr/bin/env bash
# Makes .venv with exactly what requirements-dev.txt locks, or at least what another list locks:
#   scripts/setup.sh [requirements.txt]
# Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/apt.sh

VENV=.venv
EVERYTHING=requirements-dev.txt # holds all the others, in the same versions
LOCK=${1:-$EVERYTHING}
STAMP=$VENV/.installed-$LOCK # a copy of the lock file that was installed last
SUPPORTED='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c "$SUPPORTED" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11, 3.12 or 3.13 is needed. Here python3 is: $(python3 -V 2>&1 || true)." \
    "Name another with PYTHON=/path/to/python3.12" >&2
  exit 1
}

make_environment() {
  local python version
  python=$(find_python)
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  # Debian keeps venv's half that brings pip in a package of its own.
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    apt_install "python$version's venv" "python$version-venv"
  fi
  "$python" -m venv --clear "$VENV"
}

install_locked() {
  local python=$VENV/bin/python
  # uv is some ten times faster. Where it cannot be had, or cannot reach what pip is set up to
  # reach, pip does the same, from the same lock file.
  if "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements-uv.txt &&
    "$VENV/bin/uv" pip install --quiet --python "$python" --require-hashes -r "$LOCK"; then
    return
  fi
  echo "uv cannot install here; pip takes over, which takes some minutes."
  "$python" -m pip install --disable-pip-version-check --require-hashes -r "$LOCK"
}

if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
  make_environment
fi
if ! cmp --silent "$LOCK" "$STAMP" &&
  ! cmp --silent "$EVERYTHING" "$VENV/.installed-$EVERYTHING"; then
  echo "Installing $LOCK"
  rm -f "$VENV"/.installed-* # whichever list it was: from here on it is this one
  install_locked
  cp "$LOCK" "$STAMP"
fi
scripts/system-packages.sh
