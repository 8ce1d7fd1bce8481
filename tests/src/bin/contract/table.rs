//! The table: a row for each promise, a column for each runtime.

use comfy_table::{ContentArrangement, Table, presets};

use super::programs::Report;

/// The promises, each with its groups of tests.
const ROWS: &[(&str, &[&str])] = &[
    (
        "one load per key and generation, for all callers and methods",
        &[
            "loads::single_flight",
            "loads::across_methods",
            "loads::try_optionally",
            "loads::borrowed_keys",
            "loads::generations",
            "loads::blocking",
            "loads::first_poll",
            "first_poll",
            "plain_threads",
            "entries::concurrency",
        ],
    ),
    (
        "cancelled or unpolled callers neither stall nor restart a load",
        &[
            "loads::leader",
            "loads::cancel",
            "loads::detach",
            "loads::scoped",
            "loads::executors",
            "loads::driver_cancelled",
            "loads::cancelled_wakers",
        ],
    ),
    (
        "a scoped leader that stalls loses its lead to a waiter",
        &["loads::takeover"],
    ),
    (
        "a loader's error or panic reaches every waiter; no caller hangs",
        &[
            "loads::errors",
            "panics::loader",
            "loads::negative_and_error_ttl",
            "loads::negative_and_error_limits",
        ],
    ),
    (
        "a loader that loads its own key gets an error",
        &["reentrancy::loader"],
    ),
    (
        "a write, a removal and a refresh are final",
        &[
            "writes::during_load",
            "writes::removal_during_load",
            "writes::compute_versus_write",
            "loads::refresh",
            "writes::entry",
            "writes::entry_methods",
            "writes::remove_if",
        ],
    ),
    (
        "a load that exceeds its timeout is dropped",
        &["loads::timeouts"],
    ),
    (
        "entries expire exactly on time, even if the clock jumps",
        &[
            "expiry::ttl",
            "expiry::expire_after",
            "expiry::idle",
            "expiry::ttl_extremes",
            "expiry::clock",
            "expiry::timer_model",
            "expiry::time_to_expiry",
        ],
    ),
    (
        "a value that is due or stale is returned at once, and refreshed once",
        &[
            "freshness::due",
            "freshness::stale",
            "freshness::limits",
            "freshness::memory",
            "freshness::without_spawner",
        ],
    ),
    (
        "a refresh harms neither callers nor its key, and loses to newer writes",
        &["freshness::ends", "freshness::fences", "freshness::backoff"],
    ),
    (
        "refreshes of a batching view ride with the next misses, which never wait for them",
        &["freshness::batches::ends", "freshness::batches::windows"],
    ),
    (
        "a value is returned after its ttl if its load fails or is slow",
        &["freshness::kept", "freshness::slow", "freshness::views"],
    ),
    (
        "expired entries are purged",
        &[
            "expiry::janitor",
            "expiry::run_pending_tasks",
            "eviction::expired_first",
            "listener::expired_before_load",
        ],
    ),
    (
        "bounds and counts are exact",
        &[
            "eviction::capacity",
            "entries::counts",
            "eviction::policy",
            "eviction::set_max_capacity",
            "settings",
            "entries::iteration",
            "entries::memory",
            "entries::hashers",
            "entries::small_reads",
            "entries::weak_handles",
            "writes::insert_entry",
        ],
    ),
    (
        "the listener is notified once of each removed entry",
        &["listener::notices", "listener::events"],
    ),
    (
        "the observer sees each load and batch, and its panics reach no caller",
        &["observer"],
    ),
    (
        "user code may panic, wake tasks, drop values and re-enter",
        &[
            "panics::user_code",
            "panics::listener",
            "reentrancy::wakers",
            "panics::waker",
            "reentrancy::weigher_and_expiry",
            "reentrancy::eq_and_clone",
            "reentrancy::drop",
            "entries::drop_counts",
        ],
    ),
    (
        "batches are dispatched by window, size and permit",
        &["batches::window", "batches::size", "batches::concurrency"],
    ),
    (
        "a batch requests each key once, even if callers are cancelled",
        &[
            "batches::keys",
            "batches::cancel",
            "batches::values",
            "batches::writes",
            "batches::detach",
            "batches::duplicates",
            "batches::disable_cache",
            "batches::hash_collisions",
        ],
    ),
    (
        "failing batches, and many batches at once",
        &[
            "batches::panics",
            "batches::failures",
            "batches::stress",
            "batches::stats",
        ],
    ),
    (
        "loading caches and warm-up",
        &[
            "loads::loading_view",
            "loads::get_all",
            "loads::get_each",
            "loads::optional_view",
            "loads::warm",
            "loads::warm_report",
        ],
    ),
    (
        "keys, values and loaders need not be `Send` on one thread",
        &["not_send"],
    ),
    ("windows and timeouts without a timer", &["without_timers"]),
];

/// Draws the table in Markdown: `✓` is a promise kept, `✗` a promise broken, `–` a promise that is
/// not tested on the runtime, because it needs a feature that the runtime does not have or does not
/// depend on the runtime.
pub(crate) fn draw(names: &[&str], reports: &[Report]) -> Result<String, String> {
    let groups = reports.iter().flat_map(Report::groups);
    let mut unlisted = groups.filter(|group| ROWS.iter().all(|(_, known)| !known.contains(group)));
    if let Some(group) = unlisted.next() {
        return Err(format!("the tests of `{group}` are in no row of the table"));
    }
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["promise"].iter().chain(names));
    for (promise, groups) in ROWS {
        let cells = reports.iter().map(|report| cell(report, groups));
        table.add_row(std::iter::once(*promise).chain(cells));
    }
    Ok(table.to_string())
}

fn cell(report: &Report, groups: &[&str]) -> &'static str {
    let groups: Vec<_> = groups
        .iter()
        .filter_map(|name| report.group(name))
        .collect();
    if groups.is_empty() {
        "–"
    } else if groups.iter().all(|group| group.broken.is_empty()) {
        "✓"
    } else {
        "✗"
    }
}
