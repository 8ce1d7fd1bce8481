//! An invalidation in one process races the load, the messages and the heartbeats of another.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Instant;
use cache_core::runtime::{MultiThread, Runtime};
use cache_core::tier::{
    Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, TierSettings, Tiered,
};
use shuttle::sync::Mutex;
use shuttle::thread;

use crate::shuttle_runtime::{ShuttleRuntime, Value, explore, one_of};

cache_core::supports_tier!(ShuttleRuntime: MultiThread + Send + Sync);

const READER: usize = 0;
const WRITER: usize = 1;

/// The connection of a process to a server for one key. Each call is one step.
#[derive(Clone)]
struct Connection {
    server: Arc<Mutex<Server>>,
    process: usize,
}

#[derive(Default)]
struct Server {
    last_tag: u64,
    /// The tag of the key's state, and the value unless the key is leased.
    slot: Option<(u64, Option<Value>)>,
    /// To the reader.
    stream: VecDeque<Message>,
    events: Option<TierEvents<u32, MultiThread>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Removed,
    Answer(Instant),
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer<T> = Boxed<Result<T, Infallible>>;

impl Connection {
    fn step<T: Send + 'static>(&self, step: impl FnOnce(&mut Server) -> T) -> Answer<T> {
        let answer = step(&mut self.server.lock().expect("no step panics"));
        Box::pin(ready(Ok(answer)))
    }

    /// Sends a heartbeat of the reader.
    fn beat(&self, sent: Instant) {
        let mut server = self.server.lock().expect("no step panics");
        server.stream.push_back(Message::Answer(sent));
    }

    /// Delivers what is on the stream of the reader; the answers first, if `answers_overtake`.
    fn deliver(&self, answers_overtake: bool) {
        loop {
            let mut server = self.server.lock().expect("no step panics");
            let is_first = |message: &Message| !answers_overtake || *message != Message::Removed;
            let next = server.stream.iter().position(is_first).unwrap_or(0);
            let message = server.stream.remove(next);
            let events = server.events.clone().expect("the reader listens");
            drop(server);
            match message {
                Some(Message::Removed) => events.removed(1),
                Some(Message::Answer(sent)) => events.answered(sent),
                None => return,
            }
        }
    }
}

impl Tier<u32, Value> for Connection {
    type Error = Infallible;

    fn fetch(&self, keys: Vec<u32>, _: Read) -> Answer<Vec<Found<Value>>> {
        assert_eq!(keys, [1]);
        self.step(|server| {
            let found = match &server.slot {
                Some((tag, Some(value))) => Found::Value {
                    value: value.clone(),
                    left: None,
                    tag: Lease::new(*tag),
                },
                Some((_, None)) => Found::Unreadable,
                None => {
                    server.last_tag += 1;
                    server.slot = Some((server.last_tag, None));
                    Found::Leased(Lease::new(server.last_tag))
                }
            };
            vec![found]
        })
    }

    fn fill(&self, mut fills: Vec<Fill<u32, Value>>) -> Answer<Vec<Filled>> {
        let fill = fills.pop().expect("one fill");
        self.step(|server| match &server.slot {
            Some((tag, None)) if *tag == fill.lease.tag() => {
                server.slot = Some((*tag, fill.value));
                vec![Filled::Stored]
            }
            _ => vec![Filled::Refused],
        })
    }

    fn renew(&self, _: Vec<(u32, Lease)>) -> Answer<()> {
        self.step(|_| ())
    }

    fn release(&self, _: Vec<(u32, Lease)>) -> Boxed<()> {
        Box::pin(ready(()))
    }

    fn put(&self, _: Vec<Put<u32, Value>>) -> Answer<()> {
        unreachable!("nothing is inserted")
    }

    fn remove(&self, _: Vec<u32>) -> Answer<()> {
        self.step(|server| {
            server.slot = None;
            server.stream.push_back(Message::Removed);
        })
    }

    fn clear(&self) -> Answer<()> {
        unreachable!("nothing is cleared")
    }

    fn listen(&self, events: TierEvents<u32, MultiThread>) -> Option<Boxed<()>> {
        if self.process == READER {
            self.server.lock().expect("no step panics").events = Some(events);
        }
        Some(Box::pin(ready(())))
    }
}

type Process = Tiered<u32, Value, Connection, ShuttleRuntime>;

fn get(runtime: &ShuttleRuntime, process: &Process) -> Value {
    let (loads, polls) = (runtime.clone(), one_of(2));
    runtime.block_on(process.get_with(1, move || loads.load(1, polls)))
}

/// A reader loads the key, and its messages arrive, while a writer invalidates the key and then
/// reads it as the reader does.
fn invalidation(runtime: &ShuttleRuntime, answers_overtake: bool) {
    let delta = TierSettings::default().max_staleness;
    let server = Arc::new(Mutex::new(Server::default()));
    let [reader, writer] = [READER, WRITER].map(|process| Connection {
        server: Arc::clone(&server),
        process,
    });
    let connection = reader.clone();
    let reader: Process = runtime.builder().shards(1).tiered(reader);
    let writer: Process = runtime.builder().shards(1).tiered(writer);
    connection.beat(runtime.now());
    connection.deliver(false);
    if one_of(2) == 0 {
        get(runtime, &reader);
    }
    let loads = {
        let (runtime, reader) = (runtime.clone(), reader.clone());
        thread::spawn(move || drop(get(&runtime, &reader)))
    };
    let messages = {
        let (runtime, connection) = (runtime.clone(), connection.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                connection.beat(runtime.now());
                connection.deliver(answers_overtake);
            }
        })
    };
    let from = runtime.tick();
    let Ok(()) = runtime.block_on(writer.invalidate(&1));
    runtime.advance(delta + Duration::from_nanos(1));
    let hit = reader.get(&1).map(|value| value.made);
    assert!(hit.is_none_or(|made| made > from), "a stale hit");
    let loaded = get(runtime, &reader).made;
    assert!(loaded > from, "a stale load");
    loads.join().expect("no panic");
    messages.join().expect("no panic");
}

#[test]
fn no_call_after_the_bound_gets_what_another_process_invalidated() {
    explore(|runtime| invalidation(runtime, false));
}

#[test]
#[should_panic = "a stale"]
fn a_stream_that_is_not_in_order_breaks_the_bound() {
    explore(|runtime| invalidation(runtime, true));
}
