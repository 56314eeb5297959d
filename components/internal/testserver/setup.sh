#!/usr/bin/env bash
# Makes sure that the servers which tests start are on this machine; installs what is missing, and fails if it cannot.
set -euo pipefail

install() { # install COMMAND DEBIAN-PACKAGE HOMEBREW-PACKAGE
  command -v "$1" >/dev/null && return
  echo "installing $1, which the tests start"
  if command -v apt-get >/dev/null; then
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$2"
  elif command -v brew >/dev/null; then
    brew install "$3"
  fi
  command -v "$1" >/dev/null || { echo "error: the tests need $1; install it and run again" >&2; exit 1; }
}

install redis-server redis-server redis

# OpenBao is in no package archive and takes minutes to build, so the binary is kept in the user's cache folder, by
# version. A new version is a new name here and in vault.go.
openbao() {
  local cache="${XDG_CACHE_HOME:-$HOME/.cache}"
  [ "$(uname)" != Darwin ] || cache="$HOME/Library/Caches"
  local bin="$cache/mrt-wasm-test/bao-2.4.0"
  [ ! -x "$bin" ] || return 0
  echo "building OpenBao, which the tests start; this takes some minutes, once"
  mkdir -p "$(dirname "$bin")"
  # Apart from the product's dependencies: it has a module of its own. Moved when whole, so that no test meets half of it.
  go build -C "$(dirname "${BASH_SOURCE[0]}")/openbao" -ldflags '-s -w' -o "$bin.new.$$" github.com/openbao/openbao
  mv "$bin.new.$$" "$bin"
}
openbao
