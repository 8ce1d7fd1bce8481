//! Decodes parts of cases from bytes.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

/// Decodes steps until the bytes are used up. Further steps would all be equal.
pub(crate) fn steps<T>(
    bytes: &mut Unstructured<'_>,
    step: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut steps = vec![];
    while !bytes.is_empty() && steps.len() < MOST {
        steps.push(step(bytes)?);
    }
    Ok(steps)
}

/// Zero, some milliseconds, nanoseconds to centuries, or forever.
pub(crate) fn span(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Duration::ZERO,
        1..=3 => Duration::from_nanos(bytes.int_in_range(0..=1 << 24)?),
        4..=5 => Duration::from_millis(bytes.int_in_range(0..=9)?),
        6 => Duration::from_nanos(bytes.arbitrary::<u64>()? >> bytes.int_in_range(0..=63)?),
        _ => Duration::MAX,
    })
}

const MOST: usize = 200;
