# Sourced: how the set-up scripts install Debian packages, or say how to.
# shellcheck shell=bash

# apt_install WHY PACKAGE... installs where it may without asking, otherwise prints the command
# and ends the script.
apt_install() {
  local why=$1 runner=()
  shift
  local command="apt-get install -y --no-install-recommends $*"
  if ! command -v apt-get >/dev/null; then
    echo "Missing: $why. This is not Debian or Ubuntu; install what these packages hold: $*" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      printf 'Missing: %s. Run this, then try again:\n\n  sudo %s\n\n' "$why" "$command" >&2
      exit 1
    fi
    runner=(sudo -n)
  fi
  echo "Missing: $why. Installing: $*"
  # Package lists may be absent or old; they are fetched only when the first try needs them.
  "${runner[@]}" env DEBIAN_FRONTEND=noninteractive $command </dev/null >/dev/null 2>&1 && return
  "${runner[@]}" apt-get update -qq </dev/null
  "${runner[@]}" env DEBIAN_FRONTEND=noninteractive $command </dev/null
}
