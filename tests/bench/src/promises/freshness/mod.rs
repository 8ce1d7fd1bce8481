//! Refreshes in the background, and values that are kept for the time of an outage.

mod errors;
mod refreshes;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::stage::{Answer, Void, answer, premise};
use super::{Column, Scenario};
use crate::contenders::refreshing::{
    Cached, Cachet, OursRefreshing, Refreshing, Source, SourceMode,
};
use crate::contenders::{Refusal, Value};

/// The value that is stored first, and the ones that follow it.
const OLD: Value = 1;
const NEW: Value = 2;
const WRITTEN: Value = 3;

/// Longer than a load, and shorter than any pause after a failed one.
const AFTER_LOAD: Duration = Duration::from_millis(150);

/// Every cache that offers freshness, this cache first.
pub(super) fn columns() -> Vec<Column> {
    vec![
        column::<OursRefreshing>(),
        column::<Cached>(),
        column::<Cachet>(),
    ]
}

fn column<C: Refreshing>() -> Column {
    let scenarios = refreshes::scenarios::<C>();
    Column {
        package: C::PACKAGE,
        scenarios: scenarios
            .into_iter()
            .chain(errors::scenarios::<C>())
            .collect::<Vec<Scenario>>(),
    }
}

/// A cache with the old value, at this age, and its source, which has been called once and does
/// this from now on.
async fn aged<C: Refreshing>(age: Duration, mode: SourceMode) -> Result<(C, Source), Void> {
    let source = Source::new(SourceMode::Gives(OLD));
    let cache = C::build(source.clone());
    let loaded = matches!(cache.get().await, Ok(Some(OLD)));
    premise(loaded, "the first load is served")?;
    cache.pass(age).await;
    source.set(mode);
    premise(source.calls().len() == 1, "the first load is the only one")?;
    Ok((cache, source))
}

type Reply = Result<Option<Value>, Refusal>;

fn spawn_get<C: Refreshing>(cache: &C) -> JoinHandle<Reply> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.get().await })
}

/// The value of a caller that has one.
async fn value_of(caller: JoinHandle<Reply>) -> Option<Value> {
    match answer(caller).await {
        Answer::Got(Ok(value)) => value,
        Answer::Got(Err(_)) | Answer::Panicked | Answer::Hangs => None,
    }
}

/// Lets a load end and its tasks run.
async fn after_load() {
    sleep(AFTER_LOAD).await;
}
