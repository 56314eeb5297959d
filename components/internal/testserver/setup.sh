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
