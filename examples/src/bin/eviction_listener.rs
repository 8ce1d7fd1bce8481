//! A listener that takes over what leaves the cache: here, connections that have to be closed.
//!
//! The cache calls the listener inside the call that removes an entry. A listener that has more to
//! do than to count sends the value to a task.

use std::sync::Arc;
use std::time::Duration;

use cache_tokio::{Cache, RemovalCause};
use tokio::sync::mpsc;

struct Connection {
    server: u32,
}

impl Connection {
    async fn open(server: u32) -> Arc<Self> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Arc::new(Self { server })
    }

    async fn close(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let (removed, mut to_close) = mpsc::unbounded_channel();
    let connections: Cache<u32, Arc<Connection>> = Cache::builder()
        .max_capacity(2)
        .time_to_idle(Duration::from_secs(60))
        // Without the janitor, an expired entry is removed when a later call meets it.
        .janitor(true)
        .eviction_listener(move |_, connection: &Arc<Connection>, cause| {
            // Fails only if the receiver is gone, and then the program ends.
            let _ = removed.send((Arc::clone(connection), cause));
        })
        .build();

    let closer = tokio::spawn(async move {
        let mut closed = Vec::new();
        while let Some((connection, cause)) = to_close.recv().await {
            connection.close().await;
            println!("server {}: {cause:?}", connection.server);
            closed.push(cause);
        }
        closed
    });

    for server in 1..=3 {
        connections
            .get_with(server, || Connection::open(server))
            .await;
    }
    connections.invalidate(&3);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(connections.entry_count(), 0);

    // The cache owns the listener and with it the sender: without the cache the channel ends.
    drop(connections);
    let closed = closer.await.expect("the closer does not panic");
    assert_eq!(
        closed,
        [
            RemovalCause::Size,
            RemovalCause::Explicit,
            RemovalCause::Expired
        ]
    );
}
