//! Checks which uses of `#[cached]` compile, and the error messages of those that do not.
//!
//! The expected messages are those of the toolchain in CI. After an intended change,
//! `TRYBUILD=overwrite cargo test -p cache-macros --test ui` updates them.

#[test]
fn valid_uses_compile_and_invalid_uses_are_rejected_with_a_reason() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
