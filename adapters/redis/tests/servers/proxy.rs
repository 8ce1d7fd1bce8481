//! A proxy between a process and its server, whose links stall or break.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// What happens to the bytes of all links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Flow,
    Stall,
}

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<PathBuf>>,
    links: Arc<watch::Sender<Links>>,
    generation: Arc<watch::Sender<u64>>,
}

impl Proxy {
    pub(crate) async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a bound port");
        let links = Arc::new(watch::channel(Links::Flow).0);
        let generation = Arc::new(watch::channel(0).0);
        let target = Arc::new(Mutex::new(socket));
        let socket = Arc::clone(&target);
        let (flow, cuts) = (Arc::clone(&links), Arc::clone(&generation));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let socket = socket.lock().unwrap().clone();
                let Ok(server) = UnixStream::connect(socket).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let mut cut = cuts.subscribe();
                let there = copy(from_client, to_server, flow.subscribe());
                let back = copy(from_server, to_client, flow.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        () = there => {}
                        () = back => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self {
            address,
            target,
            links,
            generation,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// New links reach this server.
    pub(crate) fn redirect(&self, socket: PathBuf) {
        *self.target.lock().unwrap() = socket;
    }

    /// Holds all bytes back, in both directions.
    pub(crate) fn stall(&self) {
        self.links.send_replace(Links::Stall);
    }

    pub(crate) fn resume(&self) {
        self.links.send_replace(Links::Flow);
    }

    /// Closes all links.
    pub(crate) fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut links: watch::Receiver<Links>,
) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let flows = links.wait_for(|links| *links == Links::Flow).await.is_ok();
        if !flows || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
