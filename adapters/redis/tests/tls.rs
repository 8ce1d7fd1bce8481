//! Connections with TLS, to a server with a certificate of its own.

#![cfg(unix)]

mod servers;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use cache_redis::{ConnectError, Error, Redis};
use servers::{Server, believed, builder, load, on_each_server, process, until};

/// A server with TLS, its URL and its certificate. `None` if the program is built without TLS.
fn with_tls(server: &Server) -> Option<(Server, String, Vec<u8>)> {
    let directory = server.socket().parent().unwrap().to_owned();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.join(name));
    let status = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-out".as_ref(), certificate.as_os_str()])
        .args(["-keyout".as_ref(), key.as_os_str()])
        .output()
        .expect("openssl runs")
        .status;
    assert!(status.success());
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let port = port.to_string();
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let server = server.try_another(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ]);
    let server = match server {
        Ok(server) => server,
        Err(log) => {
            assert!(log.contains("Failed finding TLS support"), "{log}");
            eprintln!("SKIPPED: this program is built without TLS");
            return None;
        }
    };
    let certificate = fs::read(&certificate).unwrap();
    Some((server, format!("rediss://localhost:{port}"), certificate))
}

#[test]
fn a_server_with_tls() {
    on_each_server(|server| async move {
        let Some((_server, url, certificate)) = with_tls(&server) else {
            return;
        };
        let trusting = |url: &str| builder(url).root_certificate(&*certificate).lazy().unwrap();
        let [writer, reader] = [process(trusting(&url)), process(trusting(&url))];
        believed(&writer).await;
        believed(&reader).await;
        assert_eq!(load(&writer, "k", "v").await, "v");
        assert_eq!(load(&reader, "k", "not cached").await, "v");
        writer.invalidate("k").await.unwrap();
        until(|| reader.get("k").is_none()).await;
    });
}

#[test]
fn a_server_whose_certificate_is_not_trusted() {
    on_each_server(|server| async move {
        let Some((_server, url, _)) = with_tls(&server) else {
            return;
        };
        let Err(ConnectError::Server(error)) = builder(&url).connect().await else {
            panic!("the server is refused");
        };
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert!(error.to_string().to_lowercase().contains("cert"), "{error}");
    });
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let refused = |url: &str, pem: &str| {
        let builder = Redis::builder(url).namespace("test").root_certificate(pem);
        builder.lazy().unwrap_err().to_string()
    };
    let broken = "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n";
    let error = refused("rediss://localhost", broken);
    assert!(
        error.starts_with("root_certificate is set for rediss://localhost"),
        "{error}"
    );
    let error = refused("redis://localhost", broken);
    assert!(error.contains("scheme `rediss`"), "{error}");
}
