//! The page behind axum and behind hyper.

use axum::Router;
use axum::body::Body as AxumBody;
use cache_page::{Page, Registry};
use http::header::ALLOW;
use http::{Request, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::ServiceExt;

use crate::client::registry;

#[tokio::test]
async fn the_router_can_be_nested_under_any_path() {
    let (registry, _cache) = registry();
    let page = Page::manual(registry);
    let app: Router = Router::new()
        .nest_service("/internal/caches", page.router::<()>())
        .nest("/other", page.router());
    let status = async |path: &str| {
        let request = Request::get(path).body(AxumBody::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    for path in ["", "/", "/stats.json", "/events"] {
        let path = format!("/internal/caches{path}");
        assert_eq!(status(&path).await, StatusCode::OK, "{path}");
    }
    // axum does not pass the slash at the end to a router that is nested by `nest`.
    for path in ["/other", "/other/stats.json", "/other/events"] {
        assert_eq!(status(path).await, StatusCode::OK, "{path}");
    }
    for path in ["/internal/caches/unknown", "/other/unknown", "/stats.json"] {
        assert_eq!(status(path).await, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_router_answers_other_methods_as_the_page_does() {
    let root: Router = Page::manual(Registry::new()).router();
    let request = Request::post("/").body(AxumBody::empty()).unwrap();
    let response = root.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD");
}

/// Connects a client to a server of hyper that serves `page`.
fn connection(page: &Page) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let page = page.clone();
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = page.respond(request.method(), request.uri().path(), request.headers());
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), answer));
    client
}

/// Sends `request` and returns the first line of the response.
async fn status_line(page: &Page, request: &str) -> String {
    let (mut read, mut write) = tokio::io::split(connection(page));
    let mut line = String::new();
    let receive = async {
        while !line.ends_with("\r\n") {
            line.push(char::from(read.read_u8().await.expect("a response")));
        }
    };
    // A server that rejects a request closes the connection before it has read all of it.
    let send = async { _ = write.write_all(request.as_bytes()).await };
    tokio::join!(send, receive);
    line.trim_end().to_owned()
}

#[tokio::test]
async fn a_server_of_hyper_answers_bad_requests() {
    let page = Page::manual(Registry::new());
    let huge = "a".repeat(1_000_000);
    for (request, status) in [
        (
            "GET /stats.json HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "200 OK",
        ),
        (
            "GET /none HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "404 Not Found",
        ),
        (
            "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "405 Method Not Allowed",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400 Bad Request"),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nlast-event-id: {huge}\r\n\r\n"),
            "431 Request Header Fields Too Large",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", &huge[..70_000]),
            "414 URI Too Long",
        ),
    ] {
        let line = status_line(&page, &request).await;
        assert_eq!(
            line,
            format!("HTTP/1.1 {status}"),
            "{:?}",
            request.get(..20)
        );
    }
    assert_eq!(page.readers(), 0);
}
