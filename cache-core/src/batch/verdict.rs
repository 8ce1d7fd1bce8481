//! What a batch loader brought, member by member.

use alloc::vec::Vec;
use core::time::Duration;

use super::crew::by_hash;
use super::desk::Member;
use super::output::{Answer, Answers, BatchOutput};
use crate::asked::BATCH_MAPS;
use crate::load::{Lengths, Loaded, Verdict};
use crate::runtime::{Erases, Flavor, Runtime};
use crate::sync::Arc;

/// An error without its type.
type ErrorOn<R> = <<R as Runtime>::Flavor as Flavor>::Error;

/// How the load of one key ended.
pub(super) type VerdictOn<V, R> = Verdict<V, ErrorOn<R>>;

/// How a batch loader ended; errors without their types.
pub(super) enum BatchVerdict<K, V, R: Runtime> {
    InOrder(Vec<VerdictOn<V, R>>),
    ByKey(Vec<(K, VerdictOn<V, R>)>),
    Failed(ErrorOn<R>),
    TimedOut(Duration),
}

/// What a batch brought: one verdict for each member, in their order, and what nobody asked for.
pub(super) type Sorted<K, V, R> = (Vec<VerdictOn<V, R>>, Vec<Extra<K, V>>);

/// A value of a key that nobody asked for.
pub(super) struct Extra<K, V> {
    pub(super) key: K,
    pub(super) loaded: Loaded<V>,
}

/// Forgets the error types of what a batch loader returned.
pub(super) fn verdict_of<K, V, R, O>(output: O) -> BatchVerdict<K, V, R>
where
    R: Runtime,
    O: BatchOutput<K, V>,
    R::Flavor: Erases<O::Error>,
{
    let verdict = |answer: Answer<V, O::Error>| match answer {
        Ok(Some(loaded)) => Verdict::Value(loaded),
        Ok(None) => Verdict::Missing,
        Err(error) => Verdict::Failed(R::Flavor::erase(Arc::new(error))),
    };
    match output.into_answers() {
        Ok(Answers::InOrder(answers)) => {
            BatchVerdict::InOrder(answers.into_iter().map(verdict).collect())
        }
        Ok(Answers::ByKey(answers)) => {
            let answers = answers.into_iter();
            let verdicts = answers.map(|(key, answer)| (key, verdict(answer)));
            BATCH_MAPS.raise();
            BatchVerdict::ByKey(verdicts.collect())
        }
        Err(error) => BatchVerdict::Failed(R::Flavor::erase(Arc::new(error))),
    }
}

impl<K: Eq, V, R: Runtime> BatchVerdict<K, V, R> {
    /// One verdict for each member, in their order, and the values that nobody asked for.
    pub(super) fn by_member(
        self,
        members: &[Member<K, V, R>],
        hash: impl Fn(&K) -> u32,
    ) -> Sorted<K, V, R> {
        let for_all = |verdict: &dyn Fn() -> VerdictOn<V, R>| {
            (members.iter().map(|_| verdict()).collect(), Vec::new())
        };
        match self {
            Self::InOrder(verdicts) if verdicts.len() == members.len() => (verdicts, Vec::new()),
            Self::InOrder(verdicts) => {
                let lengths = Lengths {
                    keys: members.len(),
                    results: verdicts.len(),
                };
                for_all(&|| Verdict::WrongLength(lengths))
            }
            Self::ByKey(answers) if BATCH_MAPS.is_up() => sort_by_member(answers, members, hash),
            Self::ByKey(_) => (Vec::new(), Vec::new()),
            Self::Failed(error) => for_all(&|| Verdict::Failed(error.clone())),
            Self::TimedOut(after) => for_all(&|| Verdict::TimedOut(after)),
        }
    }
}

/// O(n log n): the members' hashes are sorted, and each answer is looked up among them.
fn sort_by_member<K: Eq, V, R: Runtime>(
    answers: Vec<(K, VerdictOn<V, R>)>,
    members: &[Member<K, V, R>],
    hash: impl Fn(&K) -> u32,
) -> Sorted<K, V, R> {
    let mut verdicts: Vec<_> = members.iter().map(|_| Verdict::Missing).collect();
    let mut extra = Vec::new();
    let places = by_hash(members);
    for (key, verdict) in answers {
        let hash = hash(&key);
        let first = places.partition_point(|(known, _)| *known < hash);
        let mut same = places[first..]
            .iter()
            .take_while(|(known, _)| *known == hash);
        match (same.find(|(_, place)| members[*place].key == key), verdict) {
            (Some((_, place)), verdict) => verdicts[*place] = verdict,
            (None, Verdict::Value(loaded)) => extra.push(Extra { key, loaded }),
            (None, _) => {}
        }
    }
    (verdicts, extra)
}
