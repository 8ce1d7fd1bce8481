//! Runs `memory`, which is a separate program because it needs an allocator of its own.

use std::env;
use std::process::{Command, Stdio};

use cache_bench::measure::Report;

/// Builds and runs the program with Cargo.
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
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("the program `memory` did not write a report: {error}"))
}
