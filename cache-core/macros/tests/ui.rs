//! What compiles and what does not, and how the compiler says why.
//!
//! The messages are those of the toolchain that the gate runs on. After a change that is meant,
//! `TRYBUILD=overwrite cargo test -p cache-macros --test ui` writes them anew.

#[test]
fn what_can_be_cached_compiles_and_what_cannot_is_refused_with_a_reason() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
