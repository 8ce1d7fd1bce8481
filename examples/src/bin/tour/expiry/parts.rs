//! The three parts of the chapter: the entry expires, the entry is invalidated, and the key is
//! invalidated during a load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{LoadError, Loaded, Ttl};
use cache_examples::figures::{count, time};
use cache_examples::shop::ShopError;
use tokio::sync::oneshot;

use super::{Answer, Look, TTL, Timeline, USER};
use crate::BoxError;
use crate::runtime::{Task, sleep, spawn};

pub(super) async fn run(timeline: &mut Timeline) -> Result<(), BoxError> {
    expired(timeline).await?;
    invalidated(timeline).await?;
    invalidated_during_a_load(timeline).await
}

async fn expired(timeline: &mut Timeline) -> Result<(), BoxError> {
    let first = timeline.look().await?;
    timeline.saw(&first, "a read: absent, so loaded");
    let city = timeline.move_user().await?;
    let (reads, last, fresh) = read_until(city, &first, timeline).await?;
    timeline.saw(&last, &format!("the last of {} reads: hits", count(reads)));
    timeline.saw(&fresh, "a read: expired, so loaded again");

    let age = last.begun.saturating_duration_since(first.ended);
    let too_old = fresh.city != city || age > TTL;
    let found = too_old.then(|| format!("{} after {}", last.city, time(age)));
    timeline.promise(&format!("no value is older than {}", time(TTL)), found);
    let queries = first.queries + last.queries + fresh.queries;
    let found = (queries != 2).then(|| format!("{queries} in all"));
    timeline.promise("one query before expiry, one after it", found);
    Ok(())
}

/// Reads until `city` is returned. Returns the number of reads that did not return it, the last of
/// these with the queries of all of them, and the first read that returned it.
async fn read_until(
    city: &str,
    first: &Look,
    timeline: &Timeline,
) -> Result<(u64, Look, Look), BoxError> {
    let mut reads = 0;
    let mut last = Look {
        queries: 0,
        ..first.clone()
    };
    loop {
        let look = timeline.look().await?;
        // The second condition ends the loop if the cache is broken.
        if look.city == city || look.begun > first.ended + 10 * TTL {
            return Ok((reads, last, look));
        }
        reads += 1;
        last = Look {
            queries: last.queries + look.queries,
            ..look
        };
        sleep(PAUSE).await;
    }
}

async fn invalidated(timeline: &mut Timeline) -> Result<(), BoxError> {
    timeline.cache.invalidate(&USER);
    let forever = load_forever(timeline).await?;
    timeline.saw(&forever, "loaded again, with Ttl::Never");
    let expires = timeline.cache.expires_at(&USER);
    let found = (expires != Some(cache_core::Instant::FAR)).then(|| format!("{expires:?}"));
    timeline.promise("an entry with Ttl::Never does not expire", found);

    let city = timeline.move_user().await?;
    let stale = timeline.look().await?;
    timeline.saw(&stale, "a read: a hit, out of date");
    timeline.cache.invalidate(&USER);
    timeline.happens("the entry is invalidated");
    let fresh = timeline.look().await?;
    timeline.saw(&fresh, "a read: absent, so loaded again");
    timeline.promise(
        "the first read after an invalidation sees the change",
        unless_loaded(&fresh, city),
    );
    Ok(())
}

/// Loads with a loader that sets the lifetime of its value.
async fn load_forever(timeline: &Timeline) -> Result<Look, BoxError> {
    let shop = timeline.shop.clone();
    let load = || async move {
        let profile = shop.profile(USER).await?;
        Ok::<_, ShopError>(Loaded::new(Arc::new(profile)).ttl(Ttl::Never))
    };
    timeline.watch(timeline.cache.load_with(USER, load)).await
}

async fn invalidated_during_a_load(timeline: &mut Timeline) -> Result<(), BoxError> {
    timeline.cache.invalidate(&USER);
    let before = timeline.shop.queries_sent();
    let slow = SlowRead::begin(timeline);
    slow.has_queried.await?;
    let queries = timeline.shop.queries_sent() - before;
    timeline.note(
        Instant::now(),
        "a slow load has read its row",
        "",
        &count(queries),
    );
    let city = timeline.move_user().await?;
    timeline.cache.invalidate(&USER);
    timeline.happens("the key is invalidated");
    // A caller from before the change gets the value of its load, but that value must not be
    // cached.
    let _ = slow.proceed.send(());
    let late = timeline
        .watch(async { slow.read.await.unwrap_or(Err(LoadError::Panicked)) })
        .await?;
    timeline.saw(&late, "the slow load ends");
    let fresh = timeline.look().await?;
    timeline.saw(&fresh, "a read: loaded again");
    timeline.promise(
        "a value that is out of date when its load ends is not cached",
        unless_loaded(&fresh, city),
    );
    Ok(())
}

/// A read whose load pauses between its query and its end.
struct SlowRead {
    read: Task<Answer>,
    has_queried: oneshot::Receiver<()>,
    proceed: oneshot::Sender<()>,
}

impl SlowRead {
    fn begin(timeline: &Timeline) -> Self {
        let (queried, has_queried) = oneshot::channel();
        let (proceed, may_proceed) = oneshot::channel();
        let (cache, shop) = (timeline.cache.clone(), timeline.shop.clone());
        let load = || async move {
            let profile = shop.profile(USER).await;
            // If the tour has failed, the receiver is dropped. The load must still end.
            let _ = queried.send(());
            let _ = may_proceed.await;
            profile.map(Arc::new)
        };
        let read = spawn(async move { cache.try_get_with(USER, load).await });
        Self {
            read,
            has_queried,
            proceed,
        }
    }
}

/// Returns a complaint unless the read returned `city` with one query.
fn unless_loaded(look: &Look, city: &str) -> Option<String> {
    let right = look.city == city && look.queries == 1;
    (!right).then(|| format!("{}, queries: {}", look.city, look.queries))
}

/// The pause between two reads.
const PAUSE: Duration = Duration::from_millis(5);
