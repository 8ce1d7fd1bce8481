#!/usr/bin/env bash
# Runs a program on an emulated board of its target. Each instruction takes 64 ns of the board's
# time, so runs are reproducible. The exit code is the program's: 0 or 1.
set -euo pipefail
case "$1" in
    */thumbv7em-*) board=(-machine mps2-an386 -cpu cortex-m4) ;;
    */thumbv7m-*) board=(-machine lm3s6965evb) ;;
    */thumbv6m-*) board=(-machine microbit) ;;
    *) printf 'no board for %s\n' "$1" >&2 && exit 2 ;;
esac
exec timeout 600 qemu-system-arm "${board[@]}" -icount shift=6 -display none -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "$1"
