//! From what a batch loader returned to one result for each request.

use alloc::vec;
use alloc::vec::Vec;

use super::dedup::sorted_by_hash;
use super::output::{Answer, Answers, BatchOutput};
use super::queue::Request;
use crate::flight::{Fault, Loaded, LoaderResult};
use crate::opt_in::{BatchMaps, Enabled, Feature, Gated};
use crate::runtime::{Flavor, LoadErrorType, Runtime};
use crate::stats::LoadResult;
use crate::sync::Arc;

/// An error without its type.
type ErrorOn<R> = <<R as Runtime>::Flavor as Flavor>::Error;

/// The result of one key's load.
pub(super) type LoaderResultOn<V, R> = LoaderResult<V, ErrorOn<R>>;

/// The answers of a batch loader, or the error of the whole batch.
pub(crate) type LoaderOutput<K, V, F> =
    Result<Answers<K, V, <F as Flavor>::Error>, <F as Flavor>::Error>;

/// One result for each request, in their order, the values of keys that no request has, and the
/// result of the whole batch.
pub(super) type MatchedResults<K, V, R> = (
    Vec<LoaderResultOn<V, R>>,
    Gated<Vec<(K, Loaded<V>)>, BatchMaps>,
    LoadResult,
);

/// Erases the error types of what a batch loader returned.
pub(crate) fn erase_errors<K, V, F, O>(output: O) -> LoaderOutput<K, V, F>
where
    F: Flavor,
    O: BatchOutput<K, V>,
    O::Error: LoadErrorType<F>,
{
    let erase = |error| O::Error::erase(Arc::new(error));
    let answers = output.into_answers().map_err(erase)?;
    Ok(match answers {
        Answers::InOrder(answers) => {
            let answers = answers.into_iter();
            Answers::InOrder(answers.map(|answer| answer.map_err(erase)).collect())
        }
        Answers::ByKey(answers) => {
            BatchMaps::enable();
            let answers = answers.into_iter();
            let answers = answers.map(|(key, answer)| (key, answer.map_err(erase)));
            Answers::ByKey(answers.collect())
        }
    })
}

/// Finds the result of each request in the answers of the loader. `Err` has one result for all
/// requests.
pub(super) fn match_to_requests<K: Eq, V: Clone, R: Runtime>(
    answers: Result<Answers<K, V, ErrorOn<R>>, LoaderResultOn<V, R>>,
    requests: &[Request<K, V, R>],
    hash: impl Fn(&K) -> u32,
) -> MatchedResults<K, V, R> {
    let shared = match answers {
        Ok(Answers::InOrder(answers)) if answers.len() == requests.len() => {
            let results = answers.into_iter().map(result_of).collect();
            return (results, Gated::UNSET, LoadResult::Success);
        }
        Ok(Answers::InOrder(answers)) => LoaderResult::Fault(Fault::WrongLength {
            keys: requests.len(),
            results: answers.len(),
        }),
        Ok(Answers::ByKey(answers)) => {
            // `erase_errors` enables the feature for every map, so the proof exists.
            let enabled = BatchMaps::enabled().expect("a map enables its feature");
            return match_by_key(answers, enabled, requests, hash);
        }
        Err(shared) => shared,
    };
    let results = vec![shared; requests.len()];
    (results, Gated::UNSET, LoadResult::Failure)
}

/// Finds the request of each answer by a binary search in the sorted hashes. O(n log n).
fn match_by_key<K: Eq, V, R: Runtime>(
    answers: Vec<(K, Answer<V, ErrorOn<R>>)>,
    enabled: Enabled<BatchMaps>,
    requests: &[Request<K, V, R>],
    hash: impl Fn(&K) -> u32,
) -> MatchedResults<K, V, R> {
    let mut results: Vec<_> = requests.iter().map(|_| LoaderResult::Missing).collect();
    let mut unrequested = Vec::new();
    let by_hash = sorted_by_hash(requests);
    for (key, answer) in answers {
        let hash = hash(&key);
        let first = by_hash.partition_point(|(known, _)| *known < hash);
        let mut same_hash = by_hash[first..]
            .iter()
            .take_while(|(known, _)| *known == hash);
        let request = same_hash.find(|(_, position)| requests[*position].key == key);
        match (request, answer) {
            (Some((_, position)), answer) => results[*position] = result_of(answer),
            (None, Ok(Some(loaded))) => unrequested.push((key, loaded)),
            (None, _) => {}
        }
    }
    let unrequested = Gated::proven(unrequested, enabled);
    (results, unrequested, LoadResult::Success)
}

/// The result of a key whose loader gave this answer.
fn result_of<V, X>(answer: Answer<V, X>) -> LoaderResult<V, X> {
    match answer {
        Ok(Some(loaded)) => LoaderResult::Value(loaded),
        Ok(None) => LoaderResult::Missing,
        Err(error) => LoaderResult::Failed(error),
    }
}
