# Sourced by the other scripts. Selects the compiler and the `core` for a target.
#
# An installed target of rustup is preferred. Otherwise the compiler is Debian's, whose package
# contains the sources: `setup.sh` builds `core` and `alloc` from them, into a private sysroot.

targets=(thumbv7em-none-eabihf thumbv7m-none-eabi thumbv6m-none-eabi)
firmware="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
sysroot="$firmware/target/sysroot"
debian_rustc=/usr/bin/rustc

# Whether the sysroot $1 has a `core` for the target $2.
has_core() {
    compgen -G "$1/lib/rustlib/$2/lib/libcore-*.rlib" >/dev/null
}

# Whether the default compiler of cargo can build for the target $1.
is_native() {
    [ -z "${FIRMWARE_DEBIAN:-}" ] && has_core "$(rustc --print sysroot)" "$1"
}

# Runs cargo with the right compiler for the target $1; the rest are cargo's arguments, to which the
# target is added.
cargo_for() {
    local target=$1
    shift
    if is_native "$target"; then
        cargo "$@" --target "$target"
        return
    fi
    local name="${target^^}"
    name="CARGO_TARGET_${name//-/_}"
    # A target directory of its own: the output of the two compilers must not be mixed.
    env RUSTC="$debian_rustc" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/debian" \
        "${name}_RUSTFLAGS=--sysroot $sysroot ${FIRMWARE_RUSTFLAGS:-}" \
        "${name}_LINKER=$(linker)" \
        cargo "$@" --target "$target"
}

linker() {
    local host own
    host="$(rustc -vV | sed -n 's/^host: //p')"
    own="$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld"
    if [ -x "$own" ]; then echo "$own"; else command -v ld.lld rust-lld | head -n 1; fi
}
