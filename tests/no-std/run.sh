#!/usr/bin/env bash
# Links and runs a bare program that uses the cache without std.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cargo run --release
echo "no std: linked, ran, checked itself"
