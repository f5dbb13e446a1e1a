#!/usr/bin/env bash
# The fused operations' tests under AddressSanitizer: every load and store of the kernels, AVX-512 ones included, is
# checked against the memory it may touch. `RUSTC_BOOTSTRAP` lets a stable toolchain take the flag.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/sanitize}
exec cargo test --locked --package gpicl-ops --tests --target "$(rustc -vV | sed -n 's/^host: //p')" "$@"
