//! Reads and writes that do not end until they are stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Node;

/// The tasks that read and write.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    has_ended: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Traffic {
    /// Waits until all tasks have ended.
    pub(super) async fn end(&self) {
        self.has_ended.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no panic under this lock"));
        tasks.join_all().await;
        self.has_ended.send_replace(false);
    }
}

/// A key of the traffic: low numbers more often, so that some keys change all the time and some
/// hardly ever.
fn draw(random: &mut SmallRng, keys: u32) -> u32 {
    let part: f64 = random.random();
    // Below `keys`, because the part is below 1.
    (part * part * f64::from(keys)) as u32
}

impl Node {
    /// Starts tasks that read and tasks that write keys below `keys`. Of 1,000 writes, `clears`
    /// invalidate all keys.
    pub(super) fn begin_traffic(
        self: &Arc<Self>,
        readers: u32,
        writers: u32,
        keys: u32,
        clears: u32,
    ) {
        let mut tasks = self.traffic.tasks.lock().expect("no panic under this lock");
        for _ in 0..readers {
            tasks.spawn(Arc::clone(self).keep_reading(keys));
        }
        for _ in 0..writers {
            tasks.spawn(Arc::clone(self).keep_writing(keys, clears));
        }
    }

    async fn keep_reading(self: Arc<Self>, keys: u32) {
        let mut random = SmallRng::from_os_rng();
        let has_ended = self.traffic.has_ended.subscribe();
        while !*has_ended.borrow() {
            for _ in 0..16 {
                let key = draw(&mut random, keys);
                match random.random_range(0..100) {
                    0..50 => {
                        self.get(key);
                    }
                    50..97 => {
                        self.read(key).await;
                    }
                    _ => {
                        let keys: Vec<_> = (0..5).map(|_| draw(&mut random, keys)).collect();
                        self.get_all(&keys).await;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn keep_writing(self: Arc<Self>, keys: u32, clears: u32) {
        let mut random = SmallRng::from_os_rng();
        let has_ended = self.traffic.has_ended.subscribe();
        while !*has_ended.borrow() {
            let key = draw(&mut random, keys);
            // A result that is no `Ok` promises nothing.
            if random.random_ratio(clears, 1_000) {
                let _ = self.clear(0..keys).await;
            } else {
                let _ = self.write(key).await;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(1..10))).await;
        }
    }
}
