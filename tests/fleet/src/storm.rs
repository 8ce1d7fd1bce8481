//! Traffic on all processes under random faults.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::backend::Delays;
use crate::checker::Report;
use crate::child::Process;
use crate::fleet::{Fleet, MAX_STALENESS, rest};
use crate::options::{Options, Weakness};
use crate::proxy::{Links, Proxy};
use crate::server::programs;

/// The arguments of the long run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The number of reads on each server.
    #[arg(long, default_value_t = 1_000_000)]
    reads: u64,
    /// Seed of the faults. The scheduling of processes is not reproducible.
    #[arg(long, default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
    seed: u64,
    /// Number of processes.
    #[arg(long, default_value_t = 4)]
    processes: usize,
}

/// Runs storms on each server, and prints what they found.
///
/// # Panics
/// If there is no server.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let programs = programs();
    assert!(!programs.is_empty(), "no server: .ci/servers installs some");
    let child = env::current_exe().expect("the path of this program");
    let mut code = ExitCode::SUCCESS;
    for program in programs {
        println!("{} --seed {}", program.display(), arguments.seed);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let report = runtime.block_on(async {
            let mut fleet = Fleet::start(&child, &program, &[]);
            let storm = Storm {
                reads: arguments.reads,
                seed: arguments.seed,
                processes: arguments.processes,
                weakness: None,
                is_verbose: true,
            };
            storm.run(&mut fleet).await
        });
        println!("{report}");
        if report.beyond > 0 {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// A run of traffic under random faults.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// The run ends after this number of reads.
    pub reads: u64,
    /// Seed of the faults.
    pub seed: u64,
    /// The number of processes.
    pub processes: usize,
    /// The rule that all processes break.
    pub weakness: Option<Weakness>,
    /// Whether the run prints its progress.
    pub is_verbose: bool,
}

/// How many keys the traffic uses.
const KEYS: u32 = 60;
const READERS: u32 = 4;
const WRITERS: u32 = 1;
/// Of 1,000 writes.
const CLEARS: u32 = 2;

/// What fails on a link.
#[derive(Debug, Clone, Copy)]
enum LinkFault {
    Stall,
    Delay,
    Pieces,
    Cut,
}

/// What fails elsewhere.
#[derive(Debug, Clone, Copy)]
enum Fault {
    FeedsCut,
    ProcessStops,
    ProcessKilled,
    ServerStops,
    ServerBackEmpty,
    ServerBackWithOldData,
    Flush,
    ControlKeyLost,
    ServerFull,
    ServerEvicts,
}

impl Storm {
    /// Runs until the number of reads is reached, and checks them.
    pub async fn run(self, fleet: &mut Fleet) -> Report {
        fleet.backend.set_delays(Delays {
            usual: Duration::from_millis(5),
            late: 2 * MAX_STALENESS,
        });
        let mut nodes = vec![];
        for number in 0..self.processes {
            let proxy = fleet.proxy().await;
            let options = self.options(fleet, &proxy, number);
            let process = fleet.process(options.clone()).await;
            begin(&process, number).await;
            nodes.push((proxy, options, process));
        }
        let (proxies, mut processes): (Vec<_>, Vec<_>) = nodes
            .into_iter()
            .map(|(proxy, options, process)| (proxy, (options, process)))
            .unzip();
        let (end, has_ended) = watch::channel(false);
        let mut counts = BTreeMap::new();
        let links = break_links(&proxies, SmallRng::seed_from_u64(self.seed), has_ended);
        let others = async {
            self.break_others(fleet, &mut processes, &mut counts).await;
            end.send_replace(true);
        };
        let (link_counts, ()) = tokio::join!(links, others);
        counts.extend(link_counts);
        rest(processes.iter().map(|(_, process)| process)).await;
        if self.is_verbose {
            println!("{counts:?}, {} loads", fleet.backend.all_loads());
        }
        fleet.report(MAX_STALENESS)
    }

    fn options(self, fleet: &Fleet, proxy: &Proxy, number: usize) -> Options {
        Options {
            weakness: self.weakness,
            command_timeout: 300,
            soft_timeout: 100,
            lease_time: 1_500,
            max_wait: 2_000,
            // Enough for a server with little memory to evict.
            padding: 500,
            // Half of the processes are another version of the program.
            schema: u32::from(!number.is_multiple_of(2)),
            also: Some(u32::from(number.is_multiple_of(2))),
            ..fleet.options_behind(proxy)
        }
    }

    async fn break_others(
        self,
        fleet: &mut Fleet,
        processes: &mut [(Options, Process)],
        counts: &mut BTreeMap<String, usize>,
    ) {
        const FAULTS: [Fault; 10] = [
            Fault::FeedsCut,
            Fault::ProcessStops,
            Fault::ProcessKilled,
            Fault::ServerStops,
            Fault::ServerBackEmpty,
            Fault::ServerBackWithOldData,
            Fault::Flush,
            Fault::ControlKeyLost,
            Fault::ServerFull,
            Fault::ServerEvicts,
        ];
        let mut random = SmallRng::seed_from_u64(self.seed ^ 1);
        let mut printed = Instant::now();
        loop {
            let records = fleet.records();
            // Few of the records are invalidations.
            if records >= self.reads + self.reads / 20 {
                return;
            }
            if self.is_verbose && printed.elapsed() > Duration::from_secs(30) {
                printed = Instant::now();
                println!("{records} reads and invalidations");
            }
            let fault = *FAULTS.choose(&mut random).expect("some");
            *counts.entry(format!("{fault:?}")).or_default() += 1;
            let time = draw(&mut random);
            inflict(fault, time, fleet, processes, &mut random).await;
            sleep(MAX_STALENESS.mul_f64(random.random())).await;
        }
    }
}

/// How long a fault lasts.
fn draw(random: &mut SmallRng) -> Duration {
    MAX_STALENESS.mul_f64(random.random_range(0.1..2.5))
}

async fn begin(process: &Process, number: usize) {
    // The first process only reads: no message of its own corrects it.
    let writers = if number == 0 { 0 } else { WRITERS };
    let response = process.begin(&format!("traffic {READERS} {writers} {KEYS} {CLEARS}"));
    response.await.expect("the process runs");
}

async fn break_links(
    proxies: &[Proxy],
    mut random: SmallRng,
    has_ended: watch::Receiver<bool>,
) -> BTreeMap<String, usize> {
    const FAULTS: [LinkFault; 4] = [
        LinkFault::Stall,
        LinkFault::Delay,
        LinkFault::Pieces,
        LinkFault::Cut,
    ];
    let mut counts = BTreeMap::new();
    while !*has_ended.borrow() {
        let fault = *FAULTS.choose(&mut random).expect("some");
        let proxy = proxies.choose(&mut random).expect("some");
        *counts.entry(format!("{fault:?}")).or_default() += 1;
        match fault {
            LinkFault::Stall => proxy.stall(),
            LinkFault::Delay => proxy.set(Links {
                delay: Duration::from_millis(50),
                ..Links::FLOW
            }),
            LinkFault::Pieces => proxy.set(Links {
                piece: 7,
                ..Links::FLOW
            }),
            LinkFault::Cut => proxy.cut(),
        }
        sleep(draw(&mut random)).await;
        // What a link holds back arrives, or is lost with it.
        if random.random() {
            proxy.cut();
        }
        proxy.resume();
        sleep(MAX_STALENESS.mul_f64(random.random())).await;
    }
    counts
}

async fn inflict(
    fault: Fault,
    time: Duration,
    fleet: &mut Fleet,
    processes: &mut [(Options, Process)],
    random: &mut SmallRng,
) {
    let number = random.random_range(0..processes.len());
    let server = &mut fleet.server;
    match fault {
        Fault::FeedsCut => {
            let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
        Fault::ProcessStops => {
            processes[number].1.stop();
            sleep(time).await;
            processes[number].1.resume();
        }
        Fault::ProcessKilled => {
            let (options, process) = &mut processes[number];
            process.kill();
            *process = fleet.spawn(options.clone());
            begin(process, number).await;
        }
        Fault::ServerStops => {
            server.stop();
            sleep(time).await;
            server.resume();
        }
        Fault::ServerBackEmpty => {
            server.kill();
            server.forget();
            sleep(time / 2).await;
            server.start();
        }
        Fault::ServerBackWithOldData => {
            let _: redis::Value = server.command(&["SAVE"]).await;
            sleep(time).await;
            server.kill();
            server.start();
        }
        Fault::Flush => {
            let _: redis::Value = server.command(&["FLUSHALL"]).await;
        }
        Fault::ControlKeyLost => {
            let _: redis::Value = server.command(&["DEL", "fleet:ctl"]).await;
        }
        Fault::ServerFull => limit(fleet, "noeviction", 1, time).await,
        Fault::ServerEvicts => {
            // As much as the server has without the values, and little more.
            let used = fleet.server.number("used_memory").await;
            limit(fleet, "allkeys-random", used + 10_000, time).await;
        }
    }
}

/// Gives the server little memory for a time.
async fn limit(fleet: &Fleet, policy: &str, bytes: u64, time: Duration) {
    let server = &fleet.server;
    server.configure("maxmemory-policy", policy).await;
    server.configure("maxmemory", &bytes.to_string()).await;
    sleep(time).await;
    server.configure("maxmemory", "0").await;
}
