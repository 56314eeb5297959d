#!/usr/bin/env bash
# Makes sure that the servers which tests start are on this machine; installs what is missing, and fails if it cannot.
# Each server has a part of its own in setup.d, which uses the functions below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Where servers are kept that no package manager of the system has, each by its version.
cache="${XDG_CACHE_HOME:-$HOME/.cache}"
[ "$(uname)" != Darwin ] || cache="$HOME/Library/Caches"
cache="$cache/mrt-wasm-test"
mkdir -p "$cache"

fail() {
  echo "error: $1" >&2
  exit 1
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# package DEBIAN-PACKAGE HOMEBREW-PACKAGE installs a package. A server that it brings is not started as a service.
package() {
  echo "installing $1, which the tests need"
  if command -v apt-get >/dev/null; then
    [ -n "${updated:-}" ] || as_root apt-get update -qq
    updated=yes
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
  elif command -v brew >/dev/null; then
    brew install "$2"
  fi
}

# install COMMAND DEBIAN-PACKAGE HOMEBREW-PACKAGE makes sure that a command is there.
install() {
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || package "$2" "$3"
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || fail "the tests need $1: install it and run again"
}

# build NAME MODULE-FOLDER PACKAGE builds a server from a Go module of its own into $cache/NAME, once: a new version is a
# new name. It is moved when whole, so that no test meets half of it.
build() {
  [ ! -x "$cache/$1" ] || return 0
  echo "building $1, which the tests start; this may take some minutes, once"
  CGO_ENABLED=0 go build -C "$2" -ldflags '-s -w' -o "$cache/$1.new.$$" "$3"
  mv "$cache/$1.new.$$" "$cache/$1"
}

for part in setup.d/*.sh; do
  # shellcheck source=/dev/null
  . "./$part"
done
