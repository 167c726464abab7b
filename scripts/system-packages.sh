#!/usr/bin/env bash
# Sees to what WeasyPrint needs from the system to make PDFs: text shaping libraries and a font.
# Without a font it crashes the process; without harfbuzz-subset a page takes four times as long.
# Quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/apt.sh

# Package and the library in it that is asked for.
LIBRARIES="
libpango-1.0-0=libpango-1.0.so.0
libpangoft2-1.0-0=libpangoft2-1.0.so.0
libharfbuzz-subset0=libharfbuzz-subset.so.0
"
FONT_PACKAGES=${FONT_PACKAGES:-fonts-dejavu-core}
PYTHON=${PYTHON:-.venv/bin/python}

if [ "$(uname -s)" != Linux ]; then
  echo "On this system install Pango (1.44 or later), HarfBuzz with its subset library and a font" \
    "yourself, on macOS: brew install pango font-dejavu" >&2
  exit 0
fi

missing=()
for pair in $LIBRARIES; do
  # Asked the way WeasyPrint asks: by opening the library.
  "$PYTHON" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "${pair#*=}" 2>/dev/null ||
    missing+=("${pair%%=*}")
done

has_font() {
  if command -v fc-list >/dev/null; then
    [ -n "$(fc-list : family)" ]
  else
    find /usr/share/fonts -name '*.[to]tf' 2>/dev/null | grep -q .
  fi
}
if ! has_font; then
  # shellcheck disable=SC2206 # a list of packages
  missing+=($FONT_PACKAGES)
fi

if [ "${#missing[@]}" -gt 0 ]; then
  apt_install "what PDFs are made with" "${missing[@]}"
fi
