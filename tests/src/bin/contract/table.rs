//! The table: a row for each promise, a column for each runtime.

use comfy_table::{ContentArrangement, Table, presets};

use super::programs::Report;

/// The promises, each with its groups of tests.
const ROWS: &[(&str, &[&str])] = &[
    (
        "one load per key and generation, for all callers and methods",
        &["herd", "methods", "generations", "concurrency"],
    ),
    (
        "cancelled or unpolled callers neither stall nor restart a load",
        &[
            "leader",
            "cancel",
            "detach",
            "inline",
            "executors",
            "handover",
            "leavers",
        ],
    ),
    (
        "a loader's error or panic reaches every waiter; no caller hangs",
        &["errors", "panics", "remembered", "answers"],
    ),
    (
        "a loader that loads its own key gets an error",
        &["reentrance"],
    ),
    (
        "a write, a removal and a refresh are final",
        &["writes", "fences", "overtaken", "refresh", "entry"],
    ),
    ("a load that exceeds its timeout is dropped", &["timeouts"]),
    (
        "entries expire exactly on time, even if the clock jumps",
        &[
            "expiry",
            "expire_after",
            "idle",
            "ttl_extremes",
            "clock",
            "timer",
        ],
    ),
    (
        "expired entries are purged",
        &["janitor", "maintenance", "expired_first", "expired_notices"],
    ),
    (
        "bounds and counts are exact",
        &[
            "capacity", "counts", "policy", "settings", "walks", "memory", "hashers",
        ],
    ),
    (
        "the listener is notified once of each removed entry",
        &["listener"],
    ),
    (
        "user code may panic, wake tasks, drop values and re-enter",
        &[
            "user_panics",
            "listener_panics",
            "wakers",
            "waker_panics",
            "hooks",
            "from_inside",
            "drops",
            "census",
        ],
    ),
    (
        "batches are dispatched by window, size and permit",
        &["batch_window", "batch_size", "batch_concurrency"],
    ),
    (
        "a batch requests each key once, even if callers are cancelled",
        &[
            "batch_keys",
            "batch_members",
            "batch_values",
            "batch_fences",
            "batch_detach",
            "batch_twins",
            "batch_collisions",
        ],
    ),
    (
        "failing batches, and many batches at once",
        &[
            "batch_panics",
            "batch_failures",
            "batch_storm",
            "batch_stats",
        ],
    ),
    (
        "loading caches and warm-up",
        &["loading", "side_by_side", "warm", "warm_counts"],
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
