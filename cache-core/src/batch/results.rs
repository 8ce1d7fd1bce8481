//! What a batch loader brought, member by member.

use alloc::vec::Vec;
use core::time::Duration;

use super::dedup::by_hash;
use super::output::{Answer, Answers, BatchOutput};
use super::queue::Request;
use crate::flight::{Fault, Loaded, LoaderResult};
use crate::opt_in::{BatchMaps, Enabled, Feature, Gated};
use crate::runtime::{Flavor, LoadErrorType, Runtime};
use crate::sync::Arc;

/// An error without its type.
type ErrorOn<R> = <<R as Runtime>::Flavor as Flavor>::Error;

/// How the load of one key ended.
pub(super) type LoaderResultOn<V, R> = LoaderResult<V, ErrorOn<R>>;

/// How a batch loader ended; errors without their types.
pub(super) enum BatchResult<K, V, R: Runtime> {
    InOrder(Vec<LoaderResultOn<V, R>>),
    ByKey(Vec<(K, LoaderResultOn<V, R>)>, Enabled<BatchMaps>),
    Failed(ErrorOn<R>),
    TimedOut(Duration),
}

/// What a batch brought: one verdict for each member, in their order, and what nobody asked for.
pub(super) type MatchedResults<K, V, R> = (
    Vec<LoaderResultOn<V, R>>,
    Gated<Vec<Unrequested<K, V>>, BatchMaps>,
);

/// A value of a key that nobody asked for.
pub(super) struct Unrequested<K, V> {
    pub(super) key: K,
    pub(super) loaded: Loaded<V>,
}

/// Forgets the error types of what a batch loader returned.
pub(super) fn loader_result_of<K, V, R, O>(output: O) -> BatchResult<K, V, R>
where
    R: Runtime,
    O: BatchOutput<K, V>,
    O::Error: LoadErrorType<R::Flavor>,
{
    let results = |answer: Answer<V, O::Error>| match answer {
        Ok(Some(loaded)) => LoaderResult::Value(loaded),
        Ok(None) => LoaderResult::Missing,
        Err(error) => LoaderResult::Failed(O::Error::erase(Arc::new(error))),
    };
    match output.into_answers() {
        Ok(Answers::InOrder(answers)) => {
            BatchResult::InOrder(answers.into_iter().map(results).collect())
        }
        Ok(Answers::ByKey(answers)) => {
            let answers = answers.into_iter();
            let verdicts = answers.map(|(key, answer)| (key, results(answer)));
            BatchResult::ByKey(verdicts.collect(), BatchMaps::enable())
        }
        Err(error) => BatchResult::Failed(O::Error::erase(Arc::new(error))),
    }
}

impl<K: Eq, V, R: Runtime> BatchResult<K, V, R> {
    /// One verdict for each member, in their order, and the values that nobody asked for.
    pub(super) fn match_to_requests(
        self,
        requests: &[Request<K, V, R>],
        hash: impl Fn(&K) -> u32,
    ) -> MatchedResults<K, V, R> {
        let for_all = |results: &dyn Fn() -> LoaderResultOn<V, R>| {
            (requests.iter().map(|_| results()).collect(), Gated::UNSET)
        };
        match self {
            Self::InOrder(verdicts) if verdicts.len() == requests.len() => (verdicts, Gated::UNSET),
            Self::InOrder(verdicts) => {
                let fault = Fault::WrongLength {
                    keys: requests.len(),
                    results: verdicts.len(),
                };
                for_all(&|| LoaderResult::Fault(fault))
            }
            Self::ByKey(answers, enabled) => match_by_key(answers, enabled, requests, hash),
            Self::Failed(error) => for_all(&|| LoaderResult::Failed(error.clone())),
            Self::TimedOut(after) => for_all(&|| LoaderResult::Fault(Fault::TimedOut(after))),
        }
    }
}

/// O(n log n): the members' hashes are sorted, and each answer is looked up among them.
fn match_by_key<K: Eq, V, R: Runtime>(
    answers: Vec<(K, LoaderResultOn<V, R>)>,
    enabled: Enabled<BatchMaps>,
    requests: &[Request<K, V, R>],
    hash: impl Fn(&K) -> u32,
) -> MatchedResults<K, V, R> {
    enabled.check();
    let mut verdicts: Vec<_> = requests.iter().map(|_| LoaderResult::Missing).collect();
    let mut unrequested = Vec::new();
    let positions = by_hash(requests);
    for (key, results) in answers {
        let hash = hash(&key);
        let first = positions.partition_point(|(known, _)| *known < hash);
        let mut same = positions[first..]
            .iter()
            .take_while(|(known, _)| *known == hash);
        match (
            same.find(|(_, position)| requests[*position].key == key),
            results,
        ) {
            (Some((_, position)), results) => verdicts[*position] = results,
            (None, LoaderResult::Value(loaded)) => unrequested.push(Unrequested { key, loaded }),
            (None, _) => {}
        }
    }
    (verdicts, Gated::proven(unrequested, enabled))
}
