#!/usr/bin/env bash
# For setup.sh, on Debian where rustup cannot add the target wasm32-wasip2: makes a command cargo in DIR/bin that does
# `cargo build --release --target wasm32-wasip2` in another way. It builds Rust's standard library too, from Debian's source,
# for wasm32-unknown-unknown; without what the standard library has of WASI the component is the same.
set -euo pipefail
dir=$1
fail() {
  echo "error: $1; run rustup target add wasm32-wasip2 where it can, and run again" >&2
  exit 1
}
command -v apt-get >/dev/null || fail "Rust has no target wasm32-wasip2 here"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

root="$dir/rust-from-source"
if [ ! -e "$root/complete" ]; then
  echo "fetching Rust's source, with which the tests build an example"
  rm -rf "$root"
  mkdir -p "$root/debs"
  cd "$root/debs"
  as_root apt-get update -qq
  depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2.*\)/\1/p" | head -1; }
  std=$(depends libstd-rust-web-dev libstd-rust-web-)
  [ -n "$std" ] || fail "Debian has no rustc-web here"
  # Unpacked, not installed: Debian's compiler stands in the way of others.
  apt-get download -qq rustc-web rust-web-src libstd-rust-web-dev "$std" "$(depends "$std" libllvm)"
  for deb in *.deb; do dpkg -x "$deb" "$root"; done
  cd "$root"
  rm -rf debs
  mkdir -p usr/lib/rustlib/src
  ln -sfn "$(echo "$root"/usr/src/rustc-*)" usr/lib/rustlib/src/rust
  touch complete
fi

cat >"$dir/bin/cargo.new" <<EOF
#!/usr/bin/env bash
# See rust-from-source.sh, which wrote this.
set -euo pipefail
cargo="$(command -v cargo)"
[ "\$*" = "build --release --target wasm32-wasip2" ] || exec "\$cargo" "\$@"
export RUSTC="$root/usr/bin/rustc" LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu" RUSTC_BOOTSTRAP=1
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
"\$cargo" build --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
target=\${CARGO_TARGET_DIR:-target}
name=\$(sed -n 's/^name = "\(.*\)"/\1/p' Cargo.toml | head -1 | tr - _)
mkdir -p "\$target/wasm32-wasip2/release"
wasm-tools component new "\$target/wasm32-unknown-unknown/release/\$name.wasm" -o "\$target/wasm32-wasip2/release/\$name.wasm"
EOF
chmod +x "$dir/bin/cargo.new"
mv "$dir/bin/cargo.new" "$dir/bin/cargo"
