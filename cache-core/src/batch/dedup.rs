//! Merges the requests of a batch that have the same key.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::iter;
use core::mem;

use super::queue::Request;
use crate::flight::Flight;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// Moves every request for a key that an earlier request has into that request's `duplicates`: the
/// loader gets each key once, in the order of the first requests. O(n log n).
///
/// A panic in the keys' `Eq` leaves `requests` unchanged.
pub(super) fn dedup_keys<K: Eq, V, R: Runtime>(requests: &mut Vec<Request<K, V, R>>) {
    let first_occurrences = first_occurrences(requests);
    if first_occurrences
        .iter()
        .zip(0..)
        .all(|(first, position)| *first == position)
    {
        return;
    }
    // From a position in `requests` to the position of the same key in `merged`.
    let mut positions = Vec::with_capacity(first_occurrences.len());
    let mut merged: Vec<Request<K, V, R>> = Vec::with_capacity(first_occurrences.len());
    for (request, (position, first)) in mem::take(requests)
        .into_iter()
        .zip(first_occurrences.iter().enumerate())
    {
        if *first == position {
            positions.push(merged.len());
            merged.push(request);
        } else {
            positions.push(positions[*first]);
            merged[positions[*first]].duplicates.push(request);
        }
    }
    *requests = merged;
}

/// For each request the position of the first request for the same key.
fn first_occurrences<K: Eq, V, R: Runtime>(requests: &[Request<K, V, R>]) -> Vec<usize> {
    let by_hash = sorted_by_hash(requests);
    let mut first_occurrences: Vec<usize> = (0..requests.len()).collect();
    for same_hash in by_hash.chunk_by(|(one, _), (other, _)| one == other) {
        for (at, (_, position)) in same_hash.iter().enumerate() {
            let key = &requests[*position].key;
            let mut before = same_hash[..at].iter().map(|(_, first)| *first);
            if let Some(first) = before.find(|first| requests[*first].key == *key) {
                first_occurrences[*position] = first;
            }
        }
    }
    first_occurrences
}

impl<K, V, R: Runtime> Request<K, V, R> {
    /// Every flight that waits for the key.
    pub(super) fn flights(&self) -> impl Iterator<Item = &Arc<Flight<V, R>>> {
        let duplicates = self.duplicates.iter().map(|duplicate| &duplicate.flight);
        iter::once(&self.flight).chain(duplicates)
    }
}

/// The hash and the position of each request, sorted. O(n log n).
pub(super) fn sorted_by_hash<K, V, R: Runtime>(requests: &[Request<K, V, R>]) -> Vec<(u32, usize)> {
    let hashes = requests.iter().map(|request| request.flight.hash());
    // A heap takes a few hundred bytes of code, `slice::sort` eight thousand.
    hashes.zip(0..).collect::<BinaryHeap<_>>().into_sorted_vec()
}
