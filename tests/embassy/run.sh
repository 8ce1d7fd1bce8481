#!/usr/bin/env bash
# Runs the contract on embassy, on a host: once with embassy's clock for hosts, once with its mock
# clock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cargo test --features std-driver
cargo test --features mock-driver
