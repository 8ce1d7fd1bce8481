//! Who is in a batch that leaves: each key once, with every flight that waits for it.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::iter;
use core::mem;

use super::desk::Member;
use crate::load::Flight;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// Puts members with the same key together: the key is asked for once. O(n log n).
///
/// A panic in the keys' `Eq` leaves all of them as they are.
pub(super) fn unite<K: Eq, V, R: Runtime>(members: &mut Vec<Member<K, V, R>>) {
    let firsts = firsts(members);
    if firsts.iter().zip(0..).all(|(first, place)| *first == place) {
        return;
    }
    let mut places = Vec::with_capacity(firsts.len());
    let mut united: Vec<Member<K, V, R>> = Vec::with_capacity(firsts.len());
    for (member, (place, first)) in mem::take(members)
        .into_iter()
        .zip(firsts.iter().enumerate())
    {
        if *first == place {
            places.push(united.len());
            united.push(member);
        } else {
            places.push(places[*first]);
            united[places[*first]].twins.push(member);
        }
    }
    *members = united;
}

/// For each member the place of the first one with the same key.
fn firsts<K: Eq, V, R: Runtime>(members: &[Member<K, V, R>]) -> Vec<usize> {
    let places = by_hash(members);
    let mut firsts: Vec<usize> = (0..members.len()).collect();
    for same in places.chunk_by(|(one, _), (other, _)| one == other) {
        for (at, (_, place)) in same.iter().enumerate() {
            let key = &members[*place].key;
            let mut before = same[..at].iter().map(|(_, first)| *first);
            if let Some(first) = before.find(|first| members[*first].key == *key) {
                firsts[*place] = first;
            }
        }
    }
    firsts
}

impl<K, V, R: Runtime> Member<K, V, R> {
    /// Every flight that waits for the key.
    pub(super) fn flights(&self) -> impl Iterator<Item = &Arc<Flight<V, R>>> {
        let twins = self.twins.iter().map(|twin| &twin.flight);
        iter::once(&self.flight).chain(twins)
    }
}

/// The hash and the place of each member, in the order of hashes. O(n log n).
pub(super) fn by_hash<K, V, R: Runtime>(members: &[Member<K, V, R>]) -> Vec<(u32, usize)> {
    let hashes = members.iter().map(|member| member.flight.hash());
    // By a heap, which is a few hundred bytes of code; the library's sort is eight thousand.
    hashes.zip(0..).collect::<BinaryHeap<_>>().into_sorted_vec()
}
