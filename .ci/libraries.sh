# The published packages, as arguments of cargo. The scripts here source it.
without_clients=(-p cache-core -p cache-macros -p cache-tokio -p cache-async-std -p cache-smol -p cache-embassy -p cache-metrics -p cache-page)
libraries=("${without_clients[@]}" -p cache-redis)
