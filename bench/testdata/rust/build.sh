#!/usr/bin/env bash
# Builds the guests of this folder anew: needs Rust with the targets wasm32-unknown-unknown and wasm32-wasip2, and
# wasm-tools. hello-core.wasm and hello-component.wasm are the same code, once as a core module and once as a component.
set -euo pipefail
cd "$(dirname "$0")"
built() { # built CRATE TARGET OUTPUT
  (cd "$1" && cargo build --release --target "$2")
  cp "${CARGO_TARGET_DIR:-$1/target}/$2/release/${1/-/_}.wasm" "$3"
}
built hello-core wasm32-unknown-unknown hello-core.wasm
wasm-tools component new hello-core.wasm -o hello-component.wasm
wasm-tools strip --all hello-core.wasm -o hello-core.wasm
built hello-http wasm32-wasip2 hello-http.wasm
