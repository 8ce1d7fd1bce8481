//! Which programs compile, and the message of the compiler for those that do not: each names the
//! cause, at the line of the user's that has it.
//!
//! The expected messages are those of the toolchain in CI. After an intended change,
//! `TRYBUILD=overwrite cargo test -p cache-tests --test compile` updates them.

#[test]
fn mistakes_are_rejected_with_their_cause_and_their_remedies_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile/pass/*.rs");
    cases.compile_fail("tests/compile/fail/*.rs");
}
