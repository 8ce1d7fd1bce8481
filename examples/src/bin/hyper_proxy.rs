//! A hyper server that answers from a cache, and from another server on a miss.
//!
//! Both servers and the client are in this program and talk over pipes in memory. A program with
//! sockets passes a `TcpStream` in place of a `DuplexStream`.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_tokio::{Cache, LoadError};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;

type Answer = Response<Full<Bytes>>;

/// Starts a server with this handler, and returns the client's end of a connection to it.
fn serve<H, Fut>(handler: H) -> DuplexStream
where
    H: Fn(Request<Incoming>) -> Fut + Send + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(ours), service));
    theirs
}

/// Sends one request over a connection of its own.
async fn fetch(connection: DuplexStream, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = client::handshake(TokioIo::new(connection)).await?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .body(Empty::<Bytes>::new())
        .expect("a valid request");
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// The server behind the cache. It counts its requests.
#[derive(Clone, Default)]
struct Origin {
    requests: Arc<AtomicU32>,
}

impl Origin {
    fn connect(&self) -> DuplexStream {
        let origin = self.clone();
        serve(move |request| {
            origin.requests.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let mut answer = Answer::new(format!("page {}", request.uri().path()).into());
                if request.uri().path() == "/missing" {
                    *answer.status_mut() = StatusCode::NOT_FOUND;
                }
                answer
            }
        })
    }
}

/// The server in front. Only pages that exist are stored.
#[derive(Clone)]
struct Proxy {
    pages: Cache<String, Bytes>,
    origin: Origin,
}

impl Proxy {
    async fn page(&self, path: String) -> Result<Option<Bytes>, LoadError<hyper::Error>> {
        let (origin, target) = (self.origin.clone(), path.clone());
        let load = || async move {
            let (status, page) = fetch(origin.connect(), &target).await?;
            Ok((status == StatusCode::OK).then_some(page))
        };
        self.pages.try_optionally_get_with(path, load).await
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        let (status, body) = match self.page(request.uri().path().to_owned()).await {
            Ok(Some(page)) => (StatusCode::OK, page),
            Ok(None) => (StatusCode::NOT_FOUND, Bytes::new()),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string().into()),
        };
        let mut answer = Answer::new(body.into());
        *answer.status_mut() = status;
        answer
    }

    fn connect(&self) -> DuplexStream {
        let proxy = self.clone();
        serve(move |request| proxy.clone().answer(request))
    }
}

#[tokio::main]
async fn main() -> hyper::Result<()> {
    let origin = Origin::default();
    let pages = Cache::builder()
        .max_capacity(1_000)
        .negative_ttl(Duration::from_secs(60));
    let proxy = Proxy {
        pages: pages.build(),
        origin: origin.clone(),
    };

    // A hundred requests at once: one of them reaches the origin.
    let requests: Vec<_> = (0..100)
        .map(|_| tokio::spawn(fetch(proxy.connect(), "/index")))
        .collect();
    for request in requests {
        let (status, page) = request.await.expect("the request does not panic")?;
        assert_eq!((status, &*page), (StatusCode::OK, &b"page /index"[..]));
    }
    assert_eq!(origin.requests.load(Ordering::Relaxed), 1);

    // The cache remembers for a minute that this page does not exist.
    for _ in 0..2 {
        let (status, _) = fetch(proxy.connect(), "/missing").await?;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    assert_eq!(origin.requests.load(Ordering::Relaxed), 2);
    println!("{:?}", proxy.pages.stats());
    Ok(())
}
