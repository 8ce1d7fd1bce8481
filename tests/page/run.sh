#!/usr/bin/env bash
# Tests the live page and its example in a browser. Pictures are in target/page afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo build --release -p cache-examples --bin page
cargo clippy --manifest-path tests/page/Cargo.toml --target-dir target --all-targets -- -D warnings
# The tests mostly wait for the samples of a second, and not for a processor.
cargo test --manifest-path tests/page/Cargo.toml --target-dir target -- --test-threads=4
