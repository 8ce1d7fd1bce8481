//! Takes the times. Every contender runs once in each round, so that other load on the machine
//! affects all of them alike. Medians are taken over the rounds.

mod markdown;
mod progress;
mod report;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::markdown::markdown_goals;
pub use self::progress::Progress;
pub use self::report::{Case, Contender, Goal, Name, Report, Row, goals};
pub(crate) use self::report::{figures_to_the_right, table};

/// The figures of one contender, one a round, in nanoseconds an operation unless the report states
/// another unit.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Samples {
    median: f64,
    min: f64,
    max: f64,
    rounds: Vec<f64>,
}

impl Samples {
    /// Adds a round in which `operations` took `elapsed`.
    pub fn add(&mut self, operations: u64, elapsed: Duration) {
        self.add_figure(elapsed.as_nanos() as f64 / operations as f64);
    }

    /// Adds the figure of a round.
    pub fn add_figure(&mut self, figure: f64) {
        self.rounds.push(figure);
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        self.median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        (self.min, self.max) = (sorted[0], sorted[sorted.len() - 1]);
    }

    /// The median over the rounds.
    pub fn median(&self) -> f64 {
        self.median
    }

    /// The smallest and the largest figure of a round.
    pub fn spread(&self) -> (f64, f64) {
        (self.min, self.max)
    }
}

/// Runs every contender once a round. Each round begins with another contender. A first round runs
/// in addition and does not count.
///
/// # Errors
///
/// Returns the first error of a contender.
pub fn interleaved<E>(
    rounds: usize,
    contenders: usize,
    mut run: impl FnMut(usize) -> Result<(u64, Duration), E>,
) -> Result<Vec<Samples>, E> {
    let mut samples = vec![Samples::default(); contenders];
    for round in 0..=rounds {
        for place in 0..contenders {
            let contender = (round + place) % contenders;
            let (operations, elapsed) = run(contender)?;
            if round > 0 {
                samples[contender].add(operations, elapsed);
            }
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_at_the_ends() {
        let mut samples = Samples::default();
        for micros in [9, 1, 3, 2] {
            samples.add(1_000, Duration::from_micros(micros));
        }
        assert_eq!((samples.median(), samples.spread()), (2.5, (1.0, 9.0)));
    }

    #[test]
    fn every_round_begins_with_another_contender_and_the_first_does_not_count() {
        let mut order = Vec::new();
        let samples = interleaved(2, 2, |contender| {
            order.push(contender);
            Ok::<_, ()>((1, Duration::from_nanos(contender as u64)))
        });
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!(samples.unwrap()[1].rounds, [1.0, 1.0]);
    }
}
