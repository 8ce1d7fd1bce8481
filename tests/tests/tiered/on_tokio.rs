use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::testing::MemoryTier;
use cache_core::tier::{TierSettings, Tiered};
use cache_tokio::{Cache, Tokio};

type Server = MemoryTier<u64, u64, Tokio>;

/// Nothing may depend on how long the threads take.
fn patient() -> TierSettings {
    let mut settings = TierSettings::default();
    let minute = Duration::from_secs(60);
    (
        settings.soft_timeout,
        settings.max_wait,
        settings.lease_time,
    ) = (minute, minute, minute);
    settings
}

async fn get(process: Tiered<u64, u64, Server, Tokio>, loads: Arc<AtomicU64>) -> u64 {
    let load = move || async move {
        tokio::task::yield_now().await;
        loads.fetch_add(1, Ordering::Relaxed) + 1
    };
    process.get_with(7, load).await
}

#[test]
fn a_load_that_borrows_can_be_spawned() {
    async fn load(process: Tiered<u64, u64, Server, Tokio>) -> u64 {
        let database = [1_u64, 2, 3];
        let by_ref = process.get_with_by_ref_scoped(&1, || async { database[0] });
        let first = by_ref.await;
        let view = process.loading(|key: u64| async move { key });
        first
            + process.get_with_scoped(2, || async { database[1] }).await
            + view.get(&3).await.unwrap()
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = Server::new(Tokio::default()).with_settings(patient());
        let process = Cache::<u64, u64>::builder().tiered(server);
        assert_eq!(tokio::spawn(load(process)).await.expect("no panic"), 6);
    });
}

#[test]
fn tasks_of_several_processes_on_several_threads_load_a_key_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = Server::new(Tokio::default()).with_settings(patient());
        let loads = Arc::new(AtomicU64::new(0));
        let processes = [(); 4].map(|()| Cache::<u64, u64>::builder().tiered(server.process()));
        for round in 1..=20 {
            let callers: Vec<_> = (0..100)
                .map(|caller| tokio::spawn(get(processes[caller % 4].clone(), loads.clone())))
                .collect();
            for caller in callers {
                assert_eq!(caller.await.expect("no panic"), round);
            }
            // The message may arrive late, so the next round reads from the writer's process first.
            for process in &processes {
                process.invalidate(&7).await.expect("the server answers");
            }
        }
        assert_eq!(loads.load(Ordering::Relaxed), 20);
    });
}
