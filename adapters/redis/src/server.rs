//! The operations on the server, on texts of keys and bytes of values.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Value};
use tokio::sync::Notify;

use crate::error::Error;
use crate::identity::{Identity, Seen};
use crate::message;
use crate::names::{Generation, Names, Random};
use crate::recovery::{Recovery, Replay};
use crate::scripts::{ACQUIRE, CLEAR, CONFIRM, Call, FILL, PUT, RELEASE, REMOVE, RENEW};
use crate::settings::Settings;
use crate::stats::Counters;
use crate::wire::{State, Tag};

/// How many keys one script gets: the server serves no other request while it runs.
const KEYS_OF_A_SCRIPT: usize = 256;
/// How many removals are remembered, to be sent again.
const REMEMBERED: usize = 10_000;
/// How often an operation is tried while other processes change the generation.
const GENERATIONS: usize = 3;

/// A script's reply that the keys are of another generation.
const OTHER_GENERATION: Value = Value::Int(-1);
/// A script's item: the server is full.
const FULL: i64 = -11;

/// What all handles of a tier share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    pub(crate) recovery: Recovery,
    pub(crate) counters: Counters,
    pub(crate) random: Random,
    state: Mutex<ConnectionState>,
}

#[derive(Debug, Default)]
struct ConnectionState {
    link: Option<Link>,
    generation: Option<Generation>,
    clock: Option<ServerClock>,
    seen: Option<Seen>,
    last_error: Option<Arc<Error>>,
}

/// The connection for commands, and the server that it reaches.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) identity: Arc<Identity>,
    /// Notified when a command finds that the connection is of no use.
    pub(crate) broken: Arc<Notify>,
}

impl Link {
    /// Runs a script.
    async fn run(&self, call: &Call) -> Result<Value, Error> {
        let reply = self.checked(call.run(&mut self.connection.clone()).await);
        reply.map_err(|error| match error {
            Error::Server(text) if text.contains("unknown command") => {
                let reason = format!("its scripts are disabled: {text}");
                Error::Unsupported(reason.into())
            }
            // The script may run, and a command in it may not.
            Error::Server(text)
                if text.contains("can't run this command") || text.contains("ACL failure") =>
            {
                Error::Denied(text)
            }
            other => other,
        })
    }

    /// Passes a reply on. Notifies the supervisor if the connection broke.
    fn checked<T>(&self, reply: Result<T, RedisError>) -> Result<T, Error> {
        reply.map_err(|error| {
            let error = Error::from(error);
            if error.breaks_connection() {
                self.broken.notify_one();
            }
            error
        })
    }
}

/// The server's time when it answered a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    pub(crate) time: Duration,
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
}

/// What the server has for a key.
#[derive(Debug)]
pub(crate) enum Item {
    Stored(Vec<u8>),
    Leased(Tag),
    Busy(Duration),
    /// Nothing that this program has written, or the server has no space for a lease.
    Unusable,
}

/// A value to be stored.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) text: String,
    pub(crate) state: Vec<u8>,
    /// `None`: for ever.
    pub(crate) time_to_live: Option<Duration>,
}

impl Server {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        let mut schemas = vec![settings.schema];
        schemas.extend(&settings.also);
        Self {
            client,
            names: Names::new(&settings.namespace, schemas),
            recovery: Recovery::new(settings.recovery, REMEMBERED),
            settings,
            counters: Counters::default(),
            random: Random::default(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag(self.random.next().to_be_bytes())
    }

    /// The server's time, at least: a value may live shorter by one round trip.
    pub(crate) fn latest_time(&self) -> Duration {
        let clock = self.state().clock;
        clock.map_or(Duration::ZERO, |clock| clock.time + clock.sent.elapsed())
    }

    /// The server's time, at most.
    pub(crate) fn earliest_time(&self) -> Duration {
        let clock = self.state().clock;
        clock.map_or(Duration::ZERO, |clock| {
            clock.time + clock.received.elapsed()
        })
    }

    pub(crate) fn set_clock(&self, clock: ServerClock) {
        self.state().clock = Some(clock);
    }

    /// Notes what the server says about itself.
    pub(crate) fn set_identity(&self, identity: Identity) {
        let mut state = self.state();
        let at = state
            .seen
            .as_ref()
            .map_or_else(Instant::now, |seen| seen.at);
        state.seen = Some(Seen { identity, at });
    }

    /// Notes that the server answered what was sent at this time.
    pub(crate) fn set_answered(&self, at: Instant) {
        if let Some(seen) = &mut self.state().seen {
            seen.at = at;
        }
    }

    pub(crate) fn seen(&self) -> Option<Seen> {
        self.state().seen.clone()
    }

    /// Uses this connection for commands from now on.
    pub(crate) fn set_link(&self, link: Link) {
        let mut state = self.state();
        state.last_error = None;
        let old = state.link.replace(link);
        drop(state);
        drop(old);
    }

    pub(crate) fn disconnect(&self, reason: Error) {
        let mut state = self.state();
        state.last_error = Some(Arc::new(reason));
        let old = state.link.take();
        drop(state);
        drop(old);
    }

    pub(crate) fn last_error(&self) -> Option<Arc<Error>> {
        self.state().last_error.clone()
    }

    /// Returns whether the generation is another one now.
    pub(crate) fn set_generation(&self, generation: Generation) -> bool {
        let old = self.state().generation.replace(generation);
        old != Some(generation)
    }

    /// Reads the control key's content. `None` if it does not name the server of `link`.
    pub(crate) fn generation_of(link: &Link, control: &Value) -> Option<Generation> {
        let Value::BulkString(control) = control else {
            return None;
        };
        let identity = control.get(17..)?;
        let generation = Generation::of_control(control)?;
        (identity == link.identity.text().as_bytes()).then_some(generation)
    }

    fn link(&self) -> Result<Link, Error> {
        let state = self.state();
        match &state.link {
            Some(link) => Ok(link.clone()),
            None => Err(Error::Disconnected(state.last_error.clone())),
        }
    }

    fn generation(&self) -> Result<Generation, Error> {
        self.state().generation.ok_or(Error::Disconnected(None))
    }

    /// Makes the control key name the server of `link`, and returns the generation.
    pub(crate) async fn confirm(&self, link: &Link) -> Result<Generation, Error> {
        let call = CONFIRM
            .call()
            .key(&self.names.control)
            .arg(link.identity.text())
            .arg(self.new_generation().to_string())
            .arg(link.identity.descends_from(self.seen().as_ref()))
            .arg(&self.names.channel);
        let control = link.run(&call).await?;
        Self::generation_of(link, &control).ok_or_else(|| {
            let name = &self.names.control;
            Error::Server(format!("the key {name} is not what this program wrote").into())
        })
    }

    /// Learns the generation from the control key's content, or makes one.
    async fn learn(&self, link: &Link, control: &Value) -> Result<(), Error> {
        let generation = match Self::generation_of(link, control) {
            Some(generation) => generation,
            None => self.confirm(link).await?,
        };
        self.set_generation(generation);
        Ok(())
    }

    fn new_generation(&self) -> Generation {
        Generation::new(self.random.next())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ConnectionState> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// Reads.
impl Server {
    /// Reads the keys, and leases those without a state. With `confirmed` the server must take
    /// writes at the same time.
    pub(crate) async fn fetch(
        &self,
        texts: &[String],
        confirmed: bool,
    ) -> Result<Vec<Item>, Error> {
        let link = self.link()?;
        for _ in 0..GENERATIONS {
            let generation = self.generation()?;
            let keys: Vec<_> = texts
                .iter()
                .map(|text| self.names.key(generation, text))
                .collect();
            let mut pipeline = redis::pipe();
            if confirmed {
                // A write that changes nothing.
                let write = pipeline.cmd("PERSIST").arg(&self.names.control);
                write.ignore();
            }
            pipeline.cmd("MGET").arg(&self.names.control).arg(&keys);
            let mut connection = link.connection.clone();
            let reply = pipeline.query_async(&mut connection).await;
            let (mut values,): (Vec<Value>,) = link.checked(reply)?;
            if values.len() != keys.len() + 1 {
                return Err(unexpected(&Value::Array(values)));
            }
            let control = values.remove(0);
            if Self::generation_of(&link, &control) != Some(generation) {
                self.learn(&link, &control).await?;
                continue;
            }
            if let Some(items) = self.lease_missing(&link, generation, keys, values).await? {
                return Ok(items);
            }
        }
        Err(changing())
    }

    /// `None`: the generation has changed.
    async fn lease_missing(
        &self,
        link: &Link,
        generation: Generation,
        keys: Vec<String>,
        values: Vec<Value>,
    ) -> Result<Option<Vec<Item>>, Error> {
        let mut call = ACQUIRE
            .call()
            .key(&self.names.control)
            .arg(generation.to_string())
            .arg(self.settings.tier.lease_time.as_millis().to_string());
        let mut missing = vec![];
        let mut items = vec![];
        for (key, value) in keys.into_iter().zip(values) {
            let item = match value {
                Value::BulkString(state) if !is_lease(&state) => Item::Stored(state),
                _ => {
                    let tag = self.tag();
                    call.push_key(key);
                    call.push(tag.0.as_slice());
                    missing.push((items.len(), tag));
                    Item::Unusable
                }
            };
            items.push(item);
        }
        if missing.is_empty() {
            return Ok(Some(items));
        }
        let reply = link.run(&call).await?;
        if reply == OTHER_GENERATION {
            self.learn(link, &Value::Nil).await?;
            return Ok(None);
        }
        let found = array(reply, missing.len())?;
        for ((index, tag), value) in missing.into_iter().zip(found) {
            items[index] = self.leased(tag, value);
        }
        Ok(Some(items))
    }

    fn leased(&self, tag: Tag, value: Value) -> Item {
        match value {
            Value::BulkString(state) if state == b"L" => Item::Leased(tag),
            Value::BulkString(state) => Item::Stored(state),
            Value::Int(FULL) => {
                self.counters.full.add(1);
                Item::Unusable
            }
            Value::Int(left @ 0..) => Item::Busy(Duration::from_millis(left.unsigned_abs())),
            // A lease that expired meanwhile, or one that another program left without an end.
            Value::Int(-2 | -1) => Item::Busy(Duration::ZERO),
            _ => Item::Unusable,
        }
    }
}

/// Leases.
impl Server {
    /// Stores values whose keys still have the tag. Returns whether each was stored: `None` if the
    /// server is full.
    pub(crate) async fn fill(&self, fills: &[(Tag, Write)]) -> Result<Vec<Option<bool>>, Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        let mut filled = vec![];
        for fills in fills.chunks(KEYS_OF_A_SCRIPT) {
            let mut call = FILL.call().arg(&self.names.channel);
            for (tag, write) in fills {
                call.push_key(self.names.key(generation, &write.text));
                call.push(tag.0.as_slice());
                call.push(write.state.as_slice());
                call.push(millis(write.time_to_live));
                call.push(&write.text);
            }
            let reply = link.run(&call).await?;
            for value in array(reply, fills.len())? {
                filled.push(match value {
                    Value::Int(FULL) => {
                        self.counters.full.add(1);
                        None
                    }
                    Value::Int(stored) => Some(stored == 1),
                    other => return Err(unexpected(&other)),
                });
            }
        }
        Ok(filled)
    }

    pub(crate) async fn renew(&self, leases: &[(String, Tag)]) -> Result<(), Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        for leases in leases.chunks(KEYS_OF_A_SCRIPT) {
            let time = self.settings.tier.lease_time.as_millis().to_string();
            let mut call = RENEW.call().arg(time);
            for (text, tag) in leases {
                call.push_key(self.names.key(generation, text));
                call.push(tag.0.as_slice());
            }
            link.run(&call).await?;
        }
        Ok(())
    }

    pub(crate) async fn release(&self, leases: &[(String, Tag)]) -> Result<(), Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        for leases in leases.chunks(KEYS_OF_A_SCRIPT) {
            let mut call = RELEASE.call().arg(&self.names.channel);
            for (text, tag) in leases {
                call.push_key(self.names.key(generation, text));
                call.push(tag.0.as_slice());
                call.push(text);
            }
            link.run(&call).await?;
        }
        Ok(())
    }
}

/// Writes.
impl Server {
    /// Removes keys of all schemas, and publishes it.
    pub(crate) async fn remove(&self, texts: &[String]) -> Result<(), Error> {
        let attempt = self.recovery.begin(texts);
        let link = self.link()?;
        self.remove_on(&link, texts).await?;
        attempt.answered();
        Ok(())
    }

    async fn remove_on(&self, link: &Link, texts: &[String]) -> Result<(), Error> {
        for texts in texts.chunks(KEYS_OF_A_SCRIPT) {
            self.in_generation(link, |generation| {
                let mut call = REMOVE
                    .call()
                    .key(&self.names.control)
                    .arg(generation.to_string())
                    .arg(&self.names.channel)
                    .arg(message::removed(texts));
                for text in texts {
                    self.names
                        .keys(generation, text)
                        .for_each(|key| call.push_key(key));
                }
                call
            })
            .await?;
        }
        self.wait_for_replicas(link).await
    }

    /// Stores values whatever state their keys have, and publishes it.
    pub(crate) async fn put(&self, writes: &[Write]) -> Result<(), Error> {
        let texts: Vec<_> = writes.iter().map(|write| write.text.clone()).collect();
        let attempt = self.recovery.begin(&texts);
        let link = self.link()?;
        let mut refused = 0;
        for (writes, texts) in writes
            .chunks(KEYS_OF_A_SCRIPT)
            .zip(texts.chunks(KEYS_OF_A_SCRIPT))
        {
            let reply = self.in_generation(&link, |generation| {
                let mut call = PUT
                    .call()
                    .key(&self.names.control)
                    .arg(generation.to_string())
                    .arg(&self.names.channel)
                    .arg(message::removed(texts))
                    .arg(self.names.schemas());
                for write in writes {
                    self.names
                        .keys(generation, &write.text)
                        .for_each(|key| call.push_key(key));
                    call.push(write.state.as_slice());
                    call.push(millis(write.time_to_live));
                }
                call
            });
            if let Value::Int(count) = reply.await? {
                refused += usize::try_from(count).unwrap_or(0);
            }
        }
        self.wait_for_replicas(&link).await?;
        attempt.answered();
        if refused > 0 {
            self.counters.full.add(refused);
            return Err(Error::Full);
        }
        Ok(())
    }

    /// Begins a generation.
    pub(crate) async fn clear(&self) -> Result<(), Error> {
        let link = self.link()?;
        self.begin_generation(&link).await?;
        self.wait_for_replicas(&link).await
    }

    async fn begin_generation(&self, link: &Link) -> Result<(), Error> {
        let call = CLEAR
            .call()
            .key(&self.names.control)
            .arg(link.identity.text())
            .arg(self.new_generation().to_string())
            .arg(&self.names.channel);
        let control = link.run(&call).await?;
        self.learn(link, &control).await
    }

    /// Sends failed removals again; with `all` also those that the server has answered.
    pub(crate) async fn replay(&self, link: &Link, all: bool) -> Result<(), Error> {
        match self.recovery.replay(all) {
            Replay::Keys(texts) if texts.is_empty() => Ok(()),
            Replay::Keys(texts) => {
                let attempt = self.recovery.begin(&texts);
                self.remove_on(link, &texts).await?;
                attempt.answered();
                self.counters.replayed.add(texts.len());
                Ok(())
            }
            Replay::All => {
                self.begin_generation(link).await?;
                self.recovery.reset();
                self.counters.generations.add(1);
                Ok(())
            }
        }
    }

    /// Runs a script that checks the generation, until it is that of its keys.
    async fn in_generation(
        &self,
        link: &Link,
        call: impl Fn(Generation) -> Call,
    ) -> Result<Value, Error> {
        for _ in 0..GENERATIONS {
            let call = call(self.generation()?);
            let reply = link.run(&call).await?;
            if reply != OTHER_GENERATION {
                return Ok(reply);
            }
            self.learn(link, &Value::Nil).await?;
        }
        Err(changing())
    }

    /// Waits until the replicas have what this connection has written.
    async fn wait_for_replicas(&self, link: &Link) -> Result<(), Error> {
        let wanted = self.settings.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        let mut wait = redis::cmd("WAIT");
        // The server answers shortly before the client gives up.
        let timeout = self.settings.command_timeout * 9 / 10;
        wait.arg(wanted).arg(millis(Some(timeout)));
        let reply = wait.query_async(&mut link.connection.clone()).await;
        let reached: usize = link.checked(reply)?;
        if reached < wanted {
            return Err(Error::NotReplicated { wanted, reached });
        }
        Ok(())
    }
}

fn is_lease(state: &[u8]) -> bool {
    matches!(State::decode(state), Some(State::Leased { .. }))
}

/// At least 1 ms; 0 means for ever.
fn millis(time: Option<Duration>) -> String {
    time.map_or(0, |time| time.as_millis().max(1)).to_string()
}

fn array(value: Value, length: usize) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) if values.len() == length => Ok(values),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(value: &Value) -> Error {
    let text: String = format!("{value:?}").chars().take(200).collect();
    Error::Server(format!("the reply {text} is not of the kind that the command has").into())
}

fn changing() -> Error {
    Error::Server("other processes change the generation all the time".into())
}
