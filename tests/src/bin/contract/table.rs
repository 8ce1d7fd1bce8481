//! The table: a row for each promise, a column for each runtime.

use comfy_table::{ContentArrangement, Table, presets};

use super::programs::Report;

/// The promises, each with its groups of tests.
const ROWS: &[(&str, &[&str])] = &[
    (
        "one load a key, however many callers, methods and generations",
        &["herd", "methods", "generations", "concurrency"],
    ),
    (
        "callers leave or stand still: no load stalls or restarts",
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
        "errors and panics of a loader reach who waits; nobody hangs",
        &["errors", "panics", "remembered", "answers"],
    ),
    (
        "a loader that asks for its own key gets an error",
        &["reentrance"],
    ),
    (
        "a write, a removal and a refresh are final",
        &["writes", "fences", "overtaken", "refresh", "entry"],
    ),
    ("a load that takes too long is dropped", &["timeouts"]),
    (
        "expiry to the instant, whatever the clock does",
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
        "what has expired is purged",
        &["janitor", "maintenance", "expired_first", "expired_notices"],
    ),
    (
        "bounds and counts are exact",
        &[
            "capacity", "counts", "policy", "settings", "walks", "memory", "hashers",
        ],
    ),
    ("each removed entry is told once", &["listener"]),
    (
        "user code may panic, wake, drop and re-enter",
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
        "batches leave by window, size and permit",
        &["batch_window", "batch_size", "batch_concurrency"],
    ),
    (
        "a key is asked for once, whoever of a batch leaves",
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
        "batches that fail, and storms of them",
        &[
            "batch_panics",
            "batch_failures",
            "batch_storm",
            "batch_stats",
        ],
    ),
    (
        "caches that know how to load; warm-up",
        &["loading", "side_by_side", "warm", "warm_counts"],
    ),
    ("nothing needs to be `Send` on one thread", &["not_send"]),
    ("windows and timeouts without a timer", &["without_timers"]),
];

/// Draws the table in Markdown: `✓` is a promise kept, `✗` a promise broken, `–` a promise that
/// needs a feature that the runtime does not have.
pub(crate) fn draw(names: &[&str], reports: &[Report]) -> Result<String, String> {
    let groups = reports.iter().flat_map(Report::groups);
    let mut strange = groups.filter(|group| ROWS.iter().all(|(_, known)| !known.contains(group)));
    if let Some(group) = strange.next() {
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
