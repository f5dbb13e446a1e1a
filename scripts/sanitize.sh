#!/usr/bin/env bash
# The kernels' tests under AddressSanitizer: every load and store, AVX-512 ones included, is checked against the memory
# it may touch. Without Burn (`--no-default-features`), which holds no memory of the kernels, this takes minutes.
# `RUSTC_BOOTSTRAP` lets a stable toolchain take the flag. GPICL_CPU=avx2|scalar tests the other versions.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/sanitize}
exec cargo test --locked --package gpicl-ops --no-default-features --lib \
  --target "$(rustc -vV | sed -n 's/^host: //p')" "$@"
