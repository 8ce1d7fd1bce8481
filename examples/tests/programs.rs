//! Each single-file example runs to its end. The examples check their own results.

use std::process::Command;

/// Runs the program. Its output appears if it fails.
fn runs(program: &str) {
    let output = Command::new(program).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn eviction_listener() {
    runs(env!("CARGO_BIN_EXE_eviction_listener"));
}

#[test]
fn hyper_proxy() {
    runs(env!("CARGO_BIN_EXE_hyper_proxy"));
}

#[test]
fn paused_clock() {
    runs(env!("CARGO_BIN_EXE_paused_clock"));
}

#[test]
fn response_cache() {
    runs(env!("CARGO_BIN_EXE_response_cache"));
}

#[test]
fn ttl_from_loader() {
    runs(env!("CARGO_BIN_EXE_ttl_from_loader"));
}

#[test]
fn axum_sqlite() {
    runs(env!("CARGO_BIN_EXE_axum_sqlite"));
}
