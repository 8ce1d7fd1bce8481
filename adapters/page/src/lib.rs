//! A live page of the caches of a program.
//!
//! A [`Page`] shows the caches of a [`Registry`]: how full each one is, its requests and hit ratio,
//! its loads and their times, evictions by cause, batches and failures; each with lines of the last
//! ten minutes. A tiered cache also has the hits, fills and invalidations of its second tier, the
//! horizon lag and the breaker. The page shows no key and no value, and it changes nothing.
//!
//! The page is one HTML file in the binary. It fetches nothing from elsewhere, and its
//! content-security policy allows nothing else. A thread of the page reads the caches once a
//! second, for all readers together.
//!
//! # With axum
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::Router;
//! use cache_page::{Page, Registry};
//! use cache_tokio::Cache;
//!
//! let users: Cache<u64, String> = Cache::builder().name("users").max_capacity(10_000).build();
//! let registry = Registry::new();
//! registry.register(&users)?;
//!
//! let page = Page::new(registry);
//! let app: Router = Router::new().nest_service("/caches", page.router::<()>());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The page has no access control. Add the layer that protects your other internal routes.
//!
//! A graceful shutdown waits for open connections, and the stream of events does not end on its
//! own: call [`Page::close`] when the shutdown begins.
//!
//! # With hyper, or any other framework
//!
//! [`Page::respond`] takes the parts of a request and returns a response with a
//! `http_body::Body`:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use cache_page::{Page, Registry};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper_util::rt::TokioIo;
//! use tokio::net::TcpListener;
//!
//! async fn serve(page: Page, listener: TcpListener) -> std::io::Result<()> {
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         let page = page.clone();
//!         let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
//!             let path = request.uri().path().strip_prefix("/caches").unwrap_or("/not-found");
//!             let response = page.respond(request.method(), path, request.headers());
//!             async { Ok::<_, Infallible>(response) }
//!         });
//!         tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
//!     }
//! }
//! # drop(serve(Page::manual(Registry::new()), todo_listener()));
//! # fn todo_listener() -> TcpListener {
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #     runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap()
//! # }
//! ```
//!
//! # Routes
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page |
//! | `/stats.json` | the counters of all caches as of now |
//! | `/events` | server-sent events: the samples of the last ten minutes, then one sample a second |
//!
//! A sample has raw counters since the cache was built; the browser forms rates. `Last-Event-ID`
//! continues a stream: the reader receives the samples that it missed. A reader that is too slow
//! for a sample a second skips samples. The page keeps 132 samples at most, and a reader has no
//! queue of its own.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod history;
mod html;
mod inner;
mod json;
mod page;
mod respond;
mod ticker;

pub use cache_metrics::Registry;

pub use self::body::Body;
pub use self::page::Page;
