//! Compares the timers with a plain table. The timers are private, so the source files of the
//! shipped modules are compiled here.

#![no_main]
#![allow(dead_code, reason = "the engine uses what the model does not")]

extern crate alloc;

mod input;

/// The modules have the same names as in `cache-core`.
#[path = "."]
mod machine {
    #[path = "../../../cache-core/src/machine/list.rs"]
    pub(crate) mod list;
    #[path = "../../../cache-core/src/machine/time.rs"]
    pub(crate) mod time;

    #[path = "."]
    pub(crate) mod expiry {
        #[path = "../../../cache-core/src/machine/expiry/timers.rs"]
        pub(crate) mod timers;
        #[path = "../../../cache-core/src/machine/expiry/timers_model.rs"]
        pub(crate) mod timers_model;
    }
}

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};

use input::{span, steps};
use machine::expiry::timers_model::{Model, Step};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match steps(&mut Unstructured::new(bytes), step) {
        Ok(steps) => Model::try_out(&steps),
        Err(_) => return Corpus::Reject,
    }
    Corpus::Keep
});

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match bytes.int_in_range(0..=15)? {
        0..=5 => Step::ScheduleIn(token(bytes)?, nanos(bytes)?),
        6..=7 => Step::ScheduleAt(token(bytes)?, nanos(bytes)?),
        8 => Step::Cancel(token(bytes)?),
        9..=14 => Step::Advance(nanos(bytes)?, *bytes.choose(&[0, 1, 2, 3, 7, 1_000])?),
        _ => Step::Clear,
    })
}

fn token(bytes: &mut Unstructured<'_>) -> Result<usize> {
    bytes.int_in_range(0..=23)
}

/// A span, the end of time, or one of a few instants.
fn nanos(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => u64::MAX - bytes.int_in_range(0..=2)?,
        1..=2 => bytes.int_in_range(40..=43)? << 32,
        _ => u64::try_from(span(bytes)?.as_nanos()).unwrap_or(u64::MAX),
    })
}
