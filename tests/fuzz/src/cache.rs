//! The cache as users see it, on virtual time: tasks that read, load, write, leave and fail, as the input says. Every answer
//! is checked against what was written before, no key is loaded twice at a time, and what is counted must add up.

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
        // libFuzzer's hook ends the process, but loaders may panic, and tell those who wait.
        let end = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_expected(panic.payload()) {
                end(panic);
            }
        }));
    },
    |program: Program| program.run()
);
