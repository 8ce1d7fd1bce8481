#!/usr/bin/env bash
# Prepares a machine to build and run the firmware: an emulator, and for each target a compiler with
# its `core`. Does nothing if all of them are installed. Installs from rustup, or from Debian 12.
# FIRMWARE_DEBIAN=1 takes Debian's compiler even if rustup has the target.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"

# Installs Debian packages.
install() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    printf 'installing %s\n' "$*"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Builds `core` and `alloc` for these targets into the private sysroot.
build_core() {
    local work="$firmware/target/build-core" target
    printf 'building core for %s\n' "$*"
    mkdir -p "$work/src"
    printf '[package]\nname = "empty"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    # With bitcode, or LTO could not optimize the whole program.
    RUSTC="$debian_rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$work/target" \
        cargo build --quiet --release -Z build-std=core,alloc "${@/#/--target=}" --manifest-path "$work/Cargo.toml"
    for target in "$@"; do
        mkdir -p "$sysroot/lib/rustlib/$target/lib"
        cp "$work/target/$target/release/deps/"lib{core,alloc,compiler_builtins}-*.rlib "$sysroot/lib/rustlib/$target/lib"
    done
    rm -r "$work"
}

if ! command -v qemu-system-arm >/dev/null; then
    install qemu-system-arm
fi

missing=()
for target in "${targets[@]}"; do
    if is_native "$target" || has_core "$sysroot" "$target"; then
        continue
    fi
    if [ -z "${FIRMWARE_DEBIAN:-}" ] && command -v rustup >/dev/null; then
        printf 'rustup target add %s\n' "$target"
        timeout 120 rustup target add "$target" >/dev/null 2>&1 || printf 'rustup cannot install it\n'
    fi
    is_native "$target" || missing+=("$target")
done

if [ "${#missing[@]}" -gt 0 ]; then
    if ! [ -x "$debian_rustc" ] || ! compgen -G "/usr/src/rustc-*" >/dev/null; then
        install rustc-web rust-web-src
    fi
    build_core "${missing[@]}"
fi
