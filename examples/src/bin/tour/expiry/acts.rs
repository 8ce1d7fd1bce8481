//! The three acts: the entry expires, it is invalidated, and it is invalidated while it is being
//! loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{LoadError, Loaded, Ttl};
use cache_examples::figures::{count, time};
use cache_examples::shop::ShopError;
use tokio::sync::oneshot;

use super::{Answer, Look, Scene, TTL, USER};
use crate::Trouble;
use crate::runtime::{Task, sleep, spawn};

pub(super) async fn play(scene: &mut Scene) -> Result<(), Trouble> {
    expired(scene).await?;
    invalidated(scene).await?;
    invalidated_during_a_load(scene).await
}

async fn expired(scene: &mut Scene) -> Result<(), Trouble> {
    let first = scene.look().await?;
    scene.saw(&first, "a read: absent, so loaded");
    let city = scene.move_house().await?;
    let (reads, last, fresh) = read_until(city, &first, scene).await?;
    scene.saw(&last, &format!("the last of {} reads: hits", count(reads)));
    scene.saw(&fresh, "a read: expired, so loaded again");

    let age = last.begun.saturating_duration_since(first.ended);
    let too_old = fresh.city != city || age > TTL;
    let found = too_old.then(|| format!("{} after {}", last.city, time(age)));
    scene.promise(&format!("no answer is older than {}", time(TTL)), found);
    let queries = first.queries + last.queries + fresh.queries;
    let found = (queries != 2).then(|| format!("{queries} in all"));
    scene.promise("one query before expiry, one after it", found);
    Ok(())
}

/// Reads until `city` is returned. Returns the number of reads that did not return it, the last of
/// these with the queries of all of them, and the first read that returned it.
async fn read_until(city: &str, first: &Look, scene: &Scene) -> Result<(u64, Look, Look), Trouble> {
    let mut reads = 0;
    let mut last = Look {
        queries: 0,
        ..first.clone()
    };
    loop {
        let look = scene.look().await?;
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

async fn invalidated(scene: &mut Scene) -> Result<(), Trouble> {
    scene.cache.invalidate(&USER);
    let forever = load_forever(scene).await?;
    scene.saw(&forever, "loaded again, with Ttl::Never");
    let expires = scene.cache.expires_at(&USER);
    let found = (expires != Some(cache_core::Instant::FAR)).then(|| format!("{expires:?}"));
    scene.promise("an entry with Ttl::Never does not expire", found);

    let city = scene.move_house().await?;
    let stale = scene.look().await?;
    scene.saw(&stale, "a read: a hit, out of date");
    scene.cache.invalidate(&USER);
    scene.happens("the entry is invalidated");
    let fresh = scene.look().await?;
    scene.saw(&fresh, "a read: absent, so loaded again");
    scene.promise(
        "the first read after an invalidation sees the change",
        unless_loaded(&fresh, city),
    );
    Ok(())
}

/// Loads with a loader that sets the lifetime of its value.
async fn load_forever(scene: &Scene) -> Result<Look, Trouble> {
    let shop = scene.shop.clone();
    let load = || async move {
        let profile = shop.profile(USER).await?;
        Ok::<_, ShopError>(Loaded::new(Arc::new(profile)).ttl(Ttl::Never))
    };
    scene.watch(scene.cache.load_with(USER, load)).await
}

async fn invalidated_during_a_load(scene: &mut Scene) -> Result<(), Trouble> {
    scene.cache.invalidate(&USER);
    let before = scene.shop.queries_sent();
    let slow = SlowRead::begin(scene);
    slow.has_queried.await?;
    let queries = scene.shop.queries_sent() - before;
    scene.note(
        Instant::now(),
        "a slow load has read its row",
        "",
        &count(queries),
    );
    let city = scene.move_house().await?;
    scene.cache.invalidate(&USER);
    scene.happens("the key is invalidated");
    // A caller from before the change gets the value of its load, but that value must not be
    // cached.
    let _ = slow.proceed.send(());
    let late = scene
        .watch(async { slow.read.await.unwrap_or(Err(LoadError::Panicked)) })
        .await?;
    scene.saw(&late, "the slow load ends");
    let fresh = scene.look().await?;
    scene.saw(&fresh, "a read: loaded again");
    scene.promise(
        "an answer that is out of date when it arrives is not kept",
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
    fn begin(scene: &Scene) -> Self {
        let (queried, has_queried) = oneshot::channel();
        let (proceed, may_proceed) = oneshot::channel();
        let (cache, shop) = (scene.cache.clone(), scene.shop.clone());
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
