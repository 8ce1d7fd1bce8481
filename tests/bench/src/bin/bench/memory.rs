//! The program `memory` is one of its own, because of its allocator.

use std::env;
use std::process::{Command, Stdio};

use cache_bench::measure::Report;

/// Has Cargo build and run it.
pub(crate) fn run() -> Result<Report, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--bin", "memory"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the program `memory` failed: {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        format!("the program `memory` wrote something else than a report: {error}")
    })
}
