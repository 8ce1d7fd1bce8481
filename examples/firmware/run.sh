#!/usr/bin/env bash
# Builds the cache for microcontrollers, runs it on emulated boards, checks the output and prints
# the costs. Run `setup.sh` once before.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
cd "$firmware"

m4=thumbv7em-none-eabihf
output="${CARGO_TARGET_DIR:-target}"
is_native "$m4" || output="$output/debian"

# Prints the bytes of flash and memory that the program $1 takes beyond the heap.
sections() {
    readelf -SW "$1" | awk '
        { sub(/^ *\[ *[0-9]+\] */, "") }
        $1 ~ /^\.(vector_table|text|rodata|data)$/ { flash += hex($5) }
        $1 ~ /^\.(data|bss|uninit)$/ { memory += hex($5) }
        END { print flash, memory }
        function hex(text, value, i) {
            for (i = 1; i <= length(text); i++)
                value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
            return value
        }'
}

# Builds the program `size` with the features $1, runs it, and prints its sections.
size_with() {
    cargo_for "$m4" build --quiet --release -p costs --bin size --features "$1"
    ./emulate.sh "$output/$m4/release/size"
    sections "$output/$m4/release/size"
}

for target in "${targets[@]}"; do
    printf -- '--- without std: %s\n' "$target"
    (
        cd ../..
        cargo_for "$target" check --quiet -p cache-core --no-default-features \
            --features critical-section,portable-atomic
        cargo_for "$target" check --quiet -p cache-embassy --no-default-features
    )
    printf -- '--- on an emulated board: %s\n' "$target"
    cargo_for "$target" test --quiet --release -p on-target
done

printf -- '--- sensors\n'
cargo_for "$m4" run --quiet --release -p sensors

printf -- '--- costs\n'
read -r flash_without memory_without < <(size_with "")
read -r flash_cache memory_cache < <(size_with cache)
read -r flash_batches memory_batches < <(size_with batches)
cargo_for "$m4" build --quiet --release -p costs --bin instructions --features board/report
figures="$(./emulate.sh "$output/$m4/release/instructions")" || {
    printf '%s\na hit allocates, or takes more instructions than its limit\n' "$figures" >&2
    exit 1
}
figure() {
    awk -v name="$1" '$1 == "figure" && $2 == name { print $3 }' <<<"$figures"
}

row() { printf '| %-54s | %8s | %8s |\n' "$@"; }
printf '\nOn a Cortex-M4, opt-level "s", in bytes:\n\n'
row "a cache from u32 to u32, beyond the same program without" flash memory
row "$(printf -- '-%.0s' {1..54})" "-------:" "-------:"
row "time to live and single flight" $((flash_cache - flash_without)) $((memory_cache - memory_without))
row "and batches" $((flash_batches - flash_without)) $((memory_batches - memory_without))
printf '\n%s bytes of heap for an empty cache, %s for an entry. In instructions:\n\n' \
    "$(figure heap_bytes_empty)" "$(figure heap_bytes_entry)"
row "" locked "no locks"
row "$(printf -- '-%.0s' {1..54})" "-------:" "-------:"
while IFS=: read -r name label; do
    row "$label" "$(figure "critical_section_$name")" "$(figure "thread_mode_$name")"
done <<'EOF'
hit_without_ttl:a hit on an entry that does not expire
hit:a hit on an entry that expires
hit_of_get_with:a hit of `get_with`
miss:a miss
write:a write to an existing entry
load_that_evicts:a load that is ready at once, with an eviction
EOF

# Prints whether the goals are met. A missed goal is not an error.
goal() { [ "$2" -le "$3" ] && printf 'goal: %s, at most %s: met\n' "$1" "$3" || printf 'goal: %s, at most %s: MISSED (%s)\n' "$1" "$3" "$2"; }
printf '\n'
goal 'bytes of flash with time to live, single flight and batches' $((flash_batches - flash_without)) 32768
goal 'instructions of a hit' "$(figure critical_section_hit)" 200
goal 'instructions of a hit of get_with' "$(figure critical_section_hit_of_get_with)" 200

# Limits against growth of the flash. They are not goals.
limit_cache=33000 limit_batches=42000
if [ $((flash_cache - flash_without)) -gt $limit_cache ] || [ $((flash_batches - flash_without)) -gt $limit_batches ]; then
    printf 'the cache takes more flash than its limit\n' >&2
    exit 1
fi
