//! The supervisor: keeps two connections to the server, one for commands, one for messages and
//! heartbeats.
//!
//! | step | what it does |
//! |---|---|
//! | open | connects both, checks the server, subscribes, ends its old connection, confirms the generation, replays removals |
//! | connected | reports a new stream: the first tier drops its values |
//! | beat | sends a heartbeat every quarter of `max_staleness`, reports its answer |
//! | end | reports the failure, waits, and opens again |
//!
//! The client calls [`Feed::receive`] for each message before it completes the replies that follow
//! the message on the stream. So every message that the server sent before the answer to a
//! heartbeat has taken effect when the session reports the answer.

mod feed;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_core::Instant as CacheInstant;
use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, Value};
use tokio::sync::Notify;

use crate::error::Error;
use crate::identity::Identity;
use crate::server::{Link, Server, ServerClock};
use crate::timer::{sleep, timeout};
use feed::Feed;

/// What the cache does with messages, on texts of keys.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Whether the text is that of a key of the cache.
    fn removed(&self, text: &str) -> bool;
    fn written(&self, text: &str, number: u64) -> bool;
    fn filled(&self, text: &str) -> bool;
    fn cleared(&self);
    fn connected(&self);
    fn answered(&self, sent: CacheInstant);
    fn failed(&self);
    /// `None`: the cache is dropped.
    fn now(&self) -> Option<CacheInstant>;
}

/// Keeps the connections until the cache is dropped.
pub(crate) async fn supervise(server: Arc<Server>, listener: Arc<dyn Listener>) {
    let mut pause = Pause::default();
    while listener.now().is_some() {
        let begun = Instant::now();
        let reason = match Session::open(&server, &listener).await {
            Ok(session) => session.run().await,
            Err(reason) => reason,
        };
        if listener.now().is_none() {
            break;
        }
        server.disconnect(reason);
        server.counters.failures.add(1);
        listener.failed();
        if begun.elapsed() > Duration::from_secs(5) {
            pause = Pause::default();
        }
        sleep(pause.next(server.random.next())).await;
    }
    server.disconnect(Error::Disconnected(None));
}

/// The pause before the next attempt: none at first, then it doubles up to 2 s.
#[derive(Debug, Default)]
struct Pause(Duration);

impl Pause {
    /// All processes lose a server at the same time: `random` spreads their attempts.
    fn next(&mut self, random: u64) -> Duration {
        const FIRST: Duration = Duration::from_millis(50);
        const LONGEST: Duration = Duration::from_secs(2);
        let pause = self.0;
        self.0 = (pause * 2).clamp(FIRST, LONGEST);
        let half = pause / 2;
        half + half * u32::try_from(random % 1000).expect("below 1000") / 1000
    }
}

/// A pair of connections.
struct Session {
    server: Arc<Server>,
    listener: Arc<dyn Listener>,
    link: Link,
    feed: MultiplexedConnection,
    receiver: Arc<Feed>,
    /// How long a heartbeat may take before the connection counts as dead.
    patience: Duration,
}

impl Session {
    async fn open(server: &Arc<Server>, listener: &Arc<dyn Listener>) -> Result<Self, Error> {
        let patience = (server.settings.tier.max_staleness * 4).max(Duration::from_secs(2));
        let link = connect(server).await?;
        let receiver = Arc::new(Feed {
            server: Arc::clone(server),
            listener: Arc::clone(listener),
            is_current: AtomicBool::new(true),
            check: Notify::new(),
            broken: Arc::clone(&link.broken),
        });
        let sender = Arc::clone(&receiver);
        let config = config(server).set_push_sender(move |push: PushInfo| {
            sender.receive(&push);
            Ok::<(), ()>(())
        });
        let mut feed = server
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        if !Identity::ask(&mut feed)
            .await?
            .is_same_process(&link.identity)
        {
            let reason = "two connections reached two servers";
            return Err(Error::Io(reason.into()));
        }
        feed.subscribe(&server.names.channel).await?;
        // The server reports a flush, or a change of this key alone, at once.
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON").arg("BCAST");
        tracking.arg("PREFIX").arg(&server.names.control);
        tracking.exec_async(&mut feed).await?;
        let mut session = Self {
            server: Arc::clone(server),
            listener: Arc::clone(listener),
            link,
            feed,
            receiver,
            patience,
        };
        session.recover().await?;
        Ok(session)
    }

    /// Confirms the generation, and sends removals again that the server may lack.
    async fn recover(&mut self) -> Result<(), Error> {
        let Self { server, link, .. } = self;
        server.end_old_links(link).await?;
        let seen = server.seen();
        let generation = server.confirm(link).await?;
        if server.set_generation(generation) && seen.is_some() {
            server.counters.generations.add(1);
        }
        let has_all = seen.is_none_or(|seen| link.identity.has_all_of(&seen.identity));
        server.replay(link, !has_all).await?;
        server.set_identity((*link.identity).clone());
        // The session must not use the new stream before a heartbeat: a server that takes no
        // writes is of no use.
        let (sent, reply) = self.beat().await;
        self.learn(sent, reply?).await
    }

    /// Runs until a connection is of no use.
    async fn run(mut self) -> Error {
        self.server.counters.connections.add(1);
        self.listener.connected();
        self.server.set_link(self.link.clone());
        let server = Arc::clone(&self.server);
        let link = self.link.clone();
        let patience = self.patience;
        let tend = pin!(tend(&server, &link, patience));
        let broken = pin!(link.broken.notified());
        let beats = pin!(self.beats());
        match select(beats, select(tend, broken)).await {
            Either::Left((reason, _)) | Either::Right((Either::Left((reason, _)), _)) => reason,
            Either::Right((Either::Right(_), _)) => {
                Error::Io("a command found the connection broken".into())
            }
        }
    }

    /// Sends heartbeats.
    async fn beats(&mut self) -> Error {
        let interval = self.server.settings.tier.heartbeat_interval();
        loop {
            let Some(now) = self.listener.now() else {
                return Error::Disconnected(None);
            };
            let (sent, reply) = self.beat().await;
            match reply {
                Ok(reply) => {
                    if let Err(reason) = self.learn(sent, reply).await {
                        return reason;
                    }
                    self.listener.answered(now);
                }
                Err(reason @ (Error::Io(_) | Error::Unsupported(_) | Error::Timeout)) => {
                    return reason;
                }
                // The server lives and takes no writes: a primary without enough replicas, or with
                // a full disk. Its content may be outdated, so its answer must not move the horizon.
                Err(_) => self.listener.failed(),
            }
            let pause = interval.saturating_sub(sent.elapsed());
            let check = pin!(self.receiver.check.notified());
            select(pin!(sleep(pause)), check).await;
        }
    }

    /// Sends a heartbeat: a write that changes nothing, the generation, and the server's time.
    async fn beat(&mut self) -> (Instant, Result<Beat, Error>) {
        let control = &self.server.names.control;
        let mut pipeline = redis::pipe();
        pipeline.cmd("PERSIST").arg(control).ignore();
        pipeline.cmd("GET").arg(control);
        pipeline.cmd("TIME");
        let sent = Instant::now();
        let reply = timeout(self.patience, pipeline.query_async(&mut self.feed)).await;
        let reply = match reply {
            Some(reply) => reply.map_err(Error::from),
            None => Err(Error::Timeout),
        };
        (sent, reply)
    }

    async fn learn(&mut self, sent: Instant, beat: Beat) -> Result<(), Error> {
        let (control, (seconds, micros)) = beat;
        let Self { server, link, .. } = self;
        let received = Instant::now();
        if server.learn(link, &control).await? {
            self.listener.cleared();
        }
        let time = Duration::from_secs(seconds) + Duration::from_micros(micros);
        server.set_clock(ServerClock {
            time,
            sent,
            received,
        });
        server.set_answered(sent);
        server.counters.heartbeats.add(1);
        Ok(())
    }
}

/// The answer to a heartbeat: the control key's content, and the server's time in seconds and
/// microseconds.
type Beat = (Value, (u64, u64));

impl Drop for Session {
    fn drop(&mut self) {
        self.receiver.is_current.store(false, Ordering::Release);
    }
}

/// Opens the connection for commands, and checks the server.
pub(crate) async fn connect(server: &Server) -> Result<Link, Error> {
    let config = config(server).set_response_timeout(Some(server.settings.command_timeout));
    let mut connection = server
        .client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let identity = Identity::ask(&mut connection).await?;
    let mut number = redis::cmd("CLIENT");
    number.arg("ID");
    Ok(Link {
        number: number.query_async(&mut connection).await?,
        connection,
        identity: Arc::new(identity),
        broken: Arc::default(),
    })
}

fn config(server: &Server) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(server.settings.command_timeout))
        .set_response_timeout(None)
}

/// Checks the connection for commands, and sends failed removals again.
async fn tend(server: &Server, link: &Link, patience: Duration) -> Error {
    let interval = server.settings.tier.heartbeat_interval();
    let mut connection = link.connection.clone();
    for turn in 0_u64.. {
        sleep(interval).await;
        let check = async {
            // The id of the server's replication changes with its first replica.
            if turn.is_multiple_of(4) {
                server.set_identity(Identity::ask(&mut connection).await?);
                return Ok(());
            }
            redis::cmd("PING").exec_async(&mut connection).await?;
            Ok(())
        };
        match timeout(patience, check).await {
            // One slow command is no failure: the connection for heartbeats shows whether the
            // server lives.
            Some(Ok(()) | Err(Error::Timeout)) => {}
            Some(Err(error)) => return error,
            None => return Error::Timeout,
        }
        if let Err(error) = server.replay(link, false).await
            && error.breaks_connection()
        {
            return error;
        }
    }
    unreachable!("turns do not end")
}
