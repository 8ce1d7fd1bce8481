//! The public handle.

use std::sync::Arc;

use cache_metrics::Registry;
use http::{HeaderMap, Method, Response};

use crate::body::Body;
use crate::inner::Inner;
use crate::{respond, ticker};

/// The number of concurrent readers that a page allows by default.
const MAX_READERS: usize = 1_024;

/// The live page of the caches of a registry. A clone is another handle to the same page.
#[derive(Debug, Clone)]
pub struct Page {
    inner: Arc<Inner>,
}

impl Page {
    /// Creates a page, and starts a thread that reads the caches once a second. The thread ends
    /// within a second after the last handle and the last reader are dropped, or after
    /// [`Page::close`].
    ///
    /// The page answers 503 to a reader of the stream of events beyond 1,024 concurrent ones.
    ///
    /// # Panics
    /// If the operating system cannot start a thread.
    ///
    /// ```
    /// use cache_page::{Page, Registry};
    ///
    /// let page = Page::new(Registry::new());
    /// page.close();
    /// ```
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self::with_max_readers(registry, MAX_READERS)
    }

    /// As [`Page::new`], with another limit of concurrent readers of the stream of events.
    ///
    /// # Panics
    /// As [`Page::new`].
    ///
    /// ```
    /// use cache_page::{Page, Registry};
    ///
    /// let page = Page::with_max_readers(Registry::new(), 10);
    /// # page.close();
    /// ```
    #[must_use]
    pub fn with_max_readers(registry: Registry, max_readers: usize) -> Self {
        let inner = Arc::new(Inner::new(registry, max_readers));
        ticker::start(&inner);
        Self { inner }
    }

    /// Creates a page without a thread. It reads the caches when [`Page::sample`] is called, which
    /// should be once a second.
    ///
    /// ```
    /// use cache_page::{Page, Registry};
    ///
    /// let page = Page::manual(Registry::new());
    /// page.sample();
    /// ```
    #[must_use]
    pub fn manual(registry: Registry) -> Self {
        let inner = Arc::new(Inner::new(registry, MAX_READERS));
        Self { inner }
    }

    /// Reads the caches now and sends a sample to all readers.
    ///
    /// ```
    /// # use cache_page::{Page, Registry};
    /// # let page = Page::manual(Registry::new());
    /// page.sample();
    /// ```
    pub fn sample(&self) {
        self.inner.sample();
    }

    /// Answers a request. `path` is the path below the page: `/` is the page itself, and so is the
    /// empty path. Of the headers it reads `Last-Event-ID`; the id of an earlier run of the program
    /// gets all samples.
    ///
    /// The status is 404 for an unknown path, 405 for a method other than GET and HEAD, and 503 for
    /// a reader of the stream of events above the limit or after [`Page::close`].
    ///
    /// ```
    /// use cache_page::{Page, Registry};
    /// use http::{HeaderMap, Method, StatusCode};
    ///
    /// let page = Page::manual(Registry::new());
    /// let response = page.respond(&Method::GET, "/stats.json", &HeaderMap::new());
    /// assert_eq!(response.status(), StatusCode::OK);
    /// ```
    #[must_use]
    pub fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        respond::respond(&self.inner, method, path, headers)
    }

    /// Ends all streams of events and the thread of the page. Call it when the server begins to
    /// shut down. Later requests for the stream get 503; the page still serves `/` and
    /// `/stats.json`.
    ///
    /// ```
    /// # use cache_page::{Page, Registry};
    /// # let page = Page::new(Registry::new());
    /// page.close();
    /// ```
    pub fn close(&self) {
        self.inner.close();
    }

    /// Returns the number of readers of the stream of events.
    ///
    /// ```
    /// # use cache_page::{Page, Registry};
    /// # use http::{HeaderMap, Method};
    /// let page = Page::manual(Registry::new());
    /// let response = page.respond(&Method::GET, "/events", &HeaderMap::new());
    /// assert_eq!(page.readers(), 1);
    /// drop(response);
    /// assert_eq!(page.readers(), 0);
    /// ```
    #[must_use]
    pub fn readers(&self) -> usize {
        self.inner.readers()
    }

    /// Returns an axum router, to nest under any path.
    ///
    /// `nest_service` also passes it the path with a slash at its end, which `nest` does not.
    ///
    /// ```
    /// use axum::Router;
    /// use cache_page::{Page, Registry};
    ///
    /// let page = Page::manual(Registry::new());
    /// let app: Router = Router::new().nest_service("/internal/caches", page.router::<()>());
    /// ```
    #[cfg(feature = "axum")]
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        let page = self.clone();
        axum::Router::new().fallback(move |request: axum::extract::Request| {
            let response = page.respond(request.method(), request.uri().path(), request.headers());
            core::future::ready(response.map(axum::body::Body::new))
        })
    }
}
