//! The load of a key by a batch loader: what it calls, and what becomes of the output.

use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

use crate::batch::{Answer, Answers, BatchLoader, BatchOutput, SupportsBatching};
use crate::error::LoadError;
use crate::flight::{Fault, Loaded, LoaderResult, LoaderResultOn};
use crate::runtime::{Flavor, LoadErrorType, Runtime};
use crate::sync::Arc;

/// The view behind a [`TieredBatchLoader`](super::TieredBatchLoader): it loads the keys that the second tier lacks.
pub type LoadedBatches<K, V, R, S> =
    BatchLoader<K, Loaded<V>, <<R as Runtime>::Flavor as Flavor>::Error, R, S>;

/// Loads `key` by a batch loader.
#[doc(hidden)]
pub async fn load_in_batch<K, V, R, S>(
    batches: LoadedBatches<K, V, R, S>,
    key: K,
) -> LoaderResultOn<R::Flavor, V>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    R: SupportsBatching<K, Loaded<V>, S>,
    S: BuildHasher,
{
    match batches.get(key).await {
        Ok(Some(loaded)) => LoaderResult::Value(loaded),
        Ok(None) => LoaderResult::Missing,
        Err(error) => match error.split() {
            Ok(error) => LoaderResult::Failed((*error).clone()),
            Err(fault) => LoaderResult::Fault(match fault {
                LoadError::Reentrant => Fault::Reentrant,
                LoadError::TimedOut(after) => Fault::TimedOut(after),
                LoadError::WrongLength { keys, results } => Fault::WrongLength { keys, results },
                LoadError::Panicked | LoadError::Loader(_) => Fault::Panicked,
            }),
        },
    }
}

/// The output of a batch loader whose values are [`Loaded`], so that they keep their limits, and
/// whose errors have no type.
pub(super) struct Nested<O, F>(O, PhantomData<F>);

impl<O, F> Nested<O, F> {
    pub(super) const fn new(output: O) -> Self {
        Self(output, PhantomData)
    }
}

impl<K, V, O, F> BatchOutput<K, Loaded<V>> for Nested<O, F>
where
    O: BatchOutput<K, V, Error: LoadErrorType<F>>,
    F: Flavor,
{
    type Error = F::Error;

    fn into_answers(self) -> Result<Answers<K, Loaded<V>, F::Error>, F::Error> {
        let erase = |error| O::Error::erase(Arc::new(error));
        let nest = |answer: Answer<V, O::Error>| -> Answer<Loaded<V>, F::Error> {
            Ok(answer.map_err(erase)?.map(Loaded::new))
        };
        Ok(match self.0.into_answers().map_err(erase)? {
            Answers::InOrder(answers) => Answers::InOrder(answers.into_iter().map(nest).collect()),
            Answers::ByKey(answers) => {
                let answers = answers.into_iter();
                Answers::ByKey(answers.map(|(key, answer)| (key, nest(answer))).collect())
            }
        })
    }
}
