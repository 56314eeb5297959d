#!/usr/bin/env bash
# Builds the components of this folder anew: needs Rust with the target wasm32-unknown-unknown, and wasm-tools.
set -euo pipefail
cd "$(dirname "$0")"

component() { # component CRATE OUTPUT [CARGO-ARGUMENT]...
  local crate=$1 out=$2; shift 2
  (cd "$crate" && cargo build --release --target wasm32-unknown-unknown "$@")
  wasm-tools component new "${CARGO_TARGET_DIR:-$crate/target}/wasm32-unknown-unknown/release/$crate.wasm" -o "$out"
}
component consumer consumer.wasm
component provider provider.wasm
component provider provider-dear.wasm --features dear
