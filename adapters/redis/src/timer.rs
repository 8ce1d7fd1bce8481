//! Time on the runtime that the connections use.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

#[cfg(not(any(feature = "tokio", feature = "smol")))]
compile_error!("cache-redis needs one of the features `tokio` and `smol`");

/// Sleeps on Tokio inside of one of its runtimes, else on smol, as the client chooses.
pub(crate) async fn sleep(time: Duration) {
    #[cfg(not(feature = "smol"))]
    tokio::time::sleep(time).await;
    #[cfg(not(feature = "tokio"))]
    smol::Timer::after(time).await;
    #[cfg(all(feature = "smol", feature = "tokio"))]
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(time).await;
    } else {
        smol::Timer::after(time).await;
    }
}

/// `None`: the time is over.
pub(crate) async fn timeout<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(sleep(time))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
