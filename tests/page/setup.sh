#!/usr/bin/env bash
# Prepares a machine to test pages in a browser: installs Debian's Chromium and its driver, unless a
# driver and a browser are there.
set -euo pipefail
if ! command -v chromedriver >/dev/null || ! command -v chromium google-chrome >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    printf 'installing chromium and chromium-driver\n'
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
fi
