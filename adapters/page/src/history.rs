//! The samples of the last ten minutes.

use std::collections::VecDeque;

use bytes::Bytes;

/// The number of newest samples that are all kept.
const ALL: u64 = 15;
/// Of the older samples, each one whose number is a multiple of this is kept.
const STEP: u64 = 5;
/// The age at which a sample is removed, in samples.
const OLDEST: u64 = 600;

/// The samples, each as the event that is sent to readers. The number of samples is bounded, so a
/// reader needs no queue of its own: it has the number of the sample that it received last.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// In ascending order of their numbers. The newest `ALL` numbers are consecutive.
    events: VecDeque<(u64, Bytes)>,
    newest: u64,
}

impl History {
    /// The number of the next sample.
    pub(crate) fn next_number(&self) -> u64 {
        self.newest + 1
    }

    /// The number of the newest sample; zero if there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds the sample [`History::next_number`].
    pub(crate) fn push(&mut self, event: Bytes) {
        self.newest += 1;
        self.events.push_back((self.newest, event));
        if let Some(thinned) = self.newest.checked_sub(ALL)
            && !thinned.is_multiple_of(STEP)
            && let Ok(index) = self.events.binary_search_by_key(&thinned, |event| event.0)
        {
            self.events.remove(index);
        }
        let expired = self.newest.saturating_sub(OLDEST);
        while self.events.front().is_some_and(|event| event.0 <= expired) {
            self.events.pop_front();
        }
    }

    /// The oldest kept sample after number `after`.
    pub(crate) fn first_after(&self, after: u64) -> Option<(u64, Bytes)> {
        let index = self.events.partition_point(|event| event.0 <= after);
        self.events.get(index).cloned()
    }

    /// The newest sample, if its number is above `after`.
    pub(crate) fn newest_after(&self, after: u64) -> Option<(u64, Bytes)> {
        self.events.back().filter(|event| event.0 > after).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(samples: u64) -> History {
        let mut history = History::default();
        for _ in 0..samples {
            let number = history.next_number();
            history.push(Bytes::from(number.to_string()));
        }
        history
    }

    fn numbers(history: &History) -> Vec<u64> {
        history.events.iter().map(|event| event.0).collect()
    }

    #[test]
    fn the_newest_samples_are_all_kept_and_older_ones_every_five_seconds() {
        let history = filled(22);
        let mut expected = vec![5];
        expected.extend(8..=22);
        assert_eq!(numbers(&history), expected);
    }

    #[test]
    fn a_sample_is_kept_for_ten_minutes() {
        let history = filled(10_000);
        let numbers = numbers(&history);
        assert_eq!(numbers.first(), Some(&9_405));
        assert_eq!(numbers.last(), Some(&10_000));
        assert_eq!(numbers.len() as u64, (OLDEST - ALL) / STEP + ALL);
    }

    #[test]
    fn a_reader_continues_after_the_sample_that_it_received_last() {
        let history = filled(22);
        let after = |number| history.first_after(number).map(|event| event.0);
        assert_eq!((after(0), after(5), after(8)), (Some(5), Some(8), Some(9)));
        assert_eq!(after(22), None);
        assert_eq!(history.newest_after(3).map(|event| event.0), Some(22));
        assert_eq!(history.newest_after(22), None);
    }
}
