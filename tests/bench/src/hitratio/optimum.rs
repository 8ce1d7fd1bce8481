//! The clairvoyant optimum: it evicts, or does not admit, the key whose next request is the latest.
//!
//! L. A. Belady, "A Study of Replacement Algorithms for a Virtual-Storage Computer", IBM Systems
//! Journal 5(2), 1966. This cache need not keep the entry that it just loaded, since some of the
//! contenders do not keep it either.

use std::collections::BTreeSet;

use super::trace::{NEVER, Trace};

/// The number of requests that are hits.
pub(super) fn hits(trace: &Trace, capacity: usize) -> u64 {
    // An entry is identified by the position of its next request. A key without a next request is
    // not kept, which costs no hit.
    let mut residents = BTreeSet::new();
    let mut hits = 0;
    for (place, &next) in trace.next.iter().enumerate() {
        hits += u64::from(residents.remove(&(place as u32)));
        if next != NEVER {
            residents.insert(next);
        }
        if residents.len() > capacity {
            residents.pop_last();
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_with_the_latest_next_request_is_evicted() {
        let trace = Trace::new(String::new(), vec![1, 2, 3, 1, 2, 3, 4, 1]);
        assert_eq!([1, 2, 3].map(|capacity| hits(&trace, capacity)), [2, 3, 4]);
    }

    #[test]
    fn with_capacity_for_all_keys_only_first_requests_miss() {
        let trace = Trace::new(String::new(), vec![1, 1, 2, 1, 3, 2]);
        assert_eq!(hits(&trace, 3), 3);
    }
}
