//! A loader that sets how long its value lives: an access token says when it expires.

use std::io;
use std::time::Duration;

use cache_tokio::{Cache, LoadError, Loaded, Ttl};

/// The answer of an authorization server.
struct Token {
    secret: String,
    expires_in: Duration,
}

/// A request to the authorization server.
async fn request_token(scope: &'static str) -> io::Result<Token> {
    let expires_in = Duration::from_secs(if scope == "read" { 3_600 } else { 300 });
    let secret = format!("secret for {scope}");
    Ok(Token { secret, expires_in })
}

/// How long before its end a token is replaced, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(30);

async fn token(
    tokens: &Cache<&'static str, String>,
    scope: &'static str,
) -> Result<String, LoadError<io::Error>> {
    let load = || async move {
        let token = request_token(scope).await?;
        let ttl = Ttl::After(token.expires_in.saturating_sub(MARGIN));
        Ok::<_, io::Error>(Loaded::new(token.secret).ttl(ttl))
    };
    tokens.load_with(scope, load).await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), LoadError<io::Error>> {
    let tokens = Cache::new(100);
    for scope in ["read", "write"] {
        assert_eq!(token(&tokens, scope).await?, format!("secret for {scope}"));
        let left = tokens.time_to_expiry(scope).expect("the token expires");
        println!("{scope}: {} s", left.as_secs());
    }

    // The clock is Tokio's, which is paused here.
    tokio::time::advance(Duration::from_secs(270)).await;
    assert!(tokens.contains_key("read") && !tokens.contains_key("write"));

    token(&tokens, "write").await?;
    assert_eq!(tokens.stats().loads, 3);
    Ok(())
}
