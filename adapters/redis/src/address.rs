//! The server's address: the client that reaches it, and the text of it without its secrets.

use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::ConfigError;

/// The client for a URL.
pub(crate) fn client(url: &str) -> Result<Client, ConfigError> {
    let refused = |rule: &str| ConfigError::new("url", without_password(url), rule);
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme.contains("cluster") || url.contains(',') {
        return Err(refused(
            "a cluster, or several servers, cannot be a second tier in this version: name a single \
             primary, or use the address that follows it",
        ));
    }
    if scheme.contains("sentinel") {
        return Err(refused(
            "Sentinel's addresses are no URL of a server: name the primary, or use the address \
             that follows it",
        ));
    }
    let info = url.into_connection_info().map_err(|error| {
        let rule = match error.detail() {
            Some(detail) => format!("it is no address of a server: {error}: {detail}"),
            None => format!("it is no address of a server: {error}"),
        };
        refused(&rule)
    })?;
    if url.contains("protocol=resp2") || url.contains("protocol=2") {
        return Err(refused("the tier needs RESP3: remove `protocol`"));
    }
    Client::open(with_protocol(info)).map_err(|error| refused(&error.to_string()))
}

#[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
pub(crate) fn with_tls(
    client: Client,
    url: &str,
    root_certificate: Option<Vec<u8>>,
) -> Result<Client, ConfigError> {
    use redis::{ConnectionAddr, TlsCertificates};

    let info = client.get_connection_info();
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error: another thread has installed one meanwhile.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let Some(pem) = root_certificate else {
        return Ok(client);
    };
    let refused = |rule: String| {
        let url = without_password(url);
        ConfigError::new("root_certificate", format_args!("set for {url}"), rule)
    };
    if !is_tls {
        let rule = "only a URL with the scheme `rediss` or `valkeys` has TLS";
        return Err(refused(rule.to_string()));
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    };
    Client::build_with_tls(info.clone(), certificates)
        .map_err(|error| refused(format!("it is no certificate in PEM: {error}")))
}

fn with_protocol(info: ConnectionInfo) -> ConnectionInfo {
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let redis = info.redis_settings().clone();
    info.set_tcp_settings(tcp)
        .set_redis_settings(redis.set_protocol(ProtocolVersion::RESP3))
}

/// The URL for an error's text.
pub(crate) fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let mut shown = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
        _ => url.to_string(),
    };
    if !query.is_empty() {
        shown.push_str("?…");
    }
    shown
}
