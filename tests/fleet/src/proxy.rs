//! A proxy between a process and its server, whose links stall, delay, split and break.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// What happens to the bytes of all links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// Whether the links hold all bytes back.
    pub are_stalled: bool,
    /// How long the links hold each piece of bytes back.
    pub delay: Duration,
    /// The number of bytes of a piece.
    pub piece: usize,
}

impl Links {
    /// Links that work.
    pub const FLOW: Self = Self {
        are_stalled: false,
        delay: Duration::ZERO,
        piece: 1 << 16,
    };

    /// Links that hold all bytes back, in both directions.
    pub const STALL: Self = Self {
        are_stalled: true,
        ..Self::FLOW
    };
}

/// A proxy on a port of its own.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<PathBuf>>,
    links: watch::Sender<Links>,
    cuts: watch::Sender<u64>,
    /// The links that hold all bytes back: those with a lower number.
    stranded: watch::Sender<u64>,
    opened: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy to a server's socket.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("a bound port"),
            target: Arc::new(Mutex::new(socket.to_owned())),
            links: watch::channel(Links::FLOW).0,
            cuts: watch::channel(0).0,
            stranded: watch::channel(0).0,
            opened: Arc::default(),
        };
        let target = Arc::clone(&proxy.target);
        let (links, cuts) = (proxy.links.subscribe(), proxy.cuts.subscribe());
        let (stranded, opened) = (proxy.stranded.subscribe(), Arc::clone(&proxy.opened));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = target.lock().expect("no panic under this lock").clone();
                let Ok(server) = UnixStream::connect(target).await else {
                    continue;
                };
                // Pieces arrive as pieces.
                let _ = client.set_nodelay(true);
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let mut cut = cuts.clone();
                cut.mark_unchanged();
                let number = opened.fetch_add(1, Ordering::Relaxed);
                let gate = Gate {
                    links: links.clone(),
                    stranded: stranded.clone(),
                    number,
                };
                let there = copy(from_client, to_server, gate.clone());
                let back = copy(from_server, to_client, gate);
                tokio::spawn(async move {
                    tokio::select! {
                        () = there => {}
                        () = back => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        proxy
    }

    /// The server's address for a process behind the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The port of the proxy.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// New links reach this server.
    ///
    /// # Panics
    /// Never.
    pub fn redirect(&self, socket: &Path) {
        *self.target.lock().expect("no panic under this lock") = socket.to_owned();
    }

    /// Sets what happens to bytes from now on.
    pub fn set(&self, links: Links) {
        self.links.send_replace(links);
    }

    /// Holds all bytes back, in both directions.
    pub fn stall(&self) {
        self.set(Links::STALL);
    }

    /// Lets all bytes pass.
    pub fn resume(&self) {
        self.set(Links::FLOW);
    }

    /// Holds all bytes of the links back that are open now. Later links work.
    pub fn strand(&self) {
        let opened = self.opened.load(Ordering::Relaxed);
        self.stranded.send_replace(opened);
    }

    /// Lets the bytes pass that [`Proxy::strand`] holds back, also if the process has closed their
    /// links.
    pub fn deliver_stranded(&self) {
        self.stranded.send_replace(0);
    }

    /// Closes all links.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// What holds the bytes of a link back.
#[derive(Debug, Clone)]
struct Gate {
    links: watch::Receiver<Links>,
    stranded: watch::Receiver<u64>,
    number: u64,
}

impl Gate {
    /// Waits until bytes may pass. `None`: the proxy has ended.
    async fn pass(&mut self) -> Option<Links> {
        let Self {
            links,
            stranded,
            number,
        } = self;
        stranded.wait_for(|first| first <= number).await.ok()?;
        let links = links.wait_for(|links| !links.are_stalled).await.ok()?;
        Some(*links)
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut gate: Gate,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let mut rest = &bytes[..length];
        while !rest.is_empty() {
            let Some(links) = gate.pass().await else {
                return;
            };
            if !links.delay.is_zero() {
                tokio::time::sleep(links.delay).await;
            }
            let (piece, others) = rest.split_at(links.piece.min(rest.len()));
            if to.write_all(piece).await.is_err() {
                return;
            }
            rest = others;
        }
    }
}
