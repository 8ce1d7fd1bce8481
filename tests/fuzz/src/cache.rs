//! Fuzzes the public cache on virtual time with tasks that read, load, write, are cancelled and
//! fail, as the input says. Every returned value is checked against the writes before, no key may
//! have two concurrent loads, and the statistics must add up.

#![no_main]

#[allow(dead_code, reason = "this program counts little")]
#[path = "../../src/bin/soak/figures.rs"]
mod figures;
mod program;
#[allow(dead_code, reason = "this program has one thread")]
#[path = "../../src/bin/soak/truth.rs"]
mod truth;

use std::panic::{set_hook, take_hook};

use libfuzzer_sys::fuzz_target;

use program::{Program, is_expected};

fuzz_target!(
    init: {
        // libFuzzer's hook ends the process, but injected panics of loaders, and of their waiters,
        // are expected.
        let end = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_expected(panic.payload()) {
                end(panic);
            }
        }));
    },
    |program: Program| program.run()
);
