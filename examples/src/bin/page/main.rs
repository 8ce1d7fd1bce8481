//! A shop on SQLite whose load the visitor of a web page steers, with the live page of its caches.
//!
//! `cargo run --release -p cache-examples --bin page`, then open the printed address.

mod actions;
mod backend;
mod database;
mod flags;
mod settings;
mod shopfront;
mod site;
mod traffic;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use cache_page::{Page, Registry};
use clap::Parser;
use tokio::net::TcpListener;

use crate::flags::Flags;
use crate::shopfront::Shopfront;

/// Any error that stops the program.
type BoxError = Box<dyn Error + Send + Sync>;

/// How long the end waits for open connections.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn serve(flags: &Flags) -> Result<(), BoxError> {
    let (shop, _temporary) = database::open(flags)?;
    let shopfront = Shopfront::open(shop, flags.stock().users).await?;
    let registry = Registry::new();
    shopfront.register(&registry)?;
    let page = Page::new(registry);
    let address = flags.address();
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; --port chooses another port")
    })?;
    let address = listener.local_addr()?;
    println!("The shop:       http://{address}/");
    println!("Its caches:     http://{address}/caches/");
    println!("Ctrl-C ends the program.");

    let traffic = tokio::spawn(traffic::run(shopfront.clone()));
    let site = site::router(shopfront, &page);
    let (interrupted, mut interrupt) = tokio::sync::watch::channel(());
    let shutdown = async move { _ = interrupt.changed().await };
    let server = axum::serve(listener, site).with_graceful_shutdown(shutdown);
    let server = tokio::spawn(server.into_future());
    tokio::signal::ctrl_c().await?;
    println!("\nEnding.");
    traffic.abort();
    // The streams of events would keep their connections open.
    page.close();
    interrupted.send_replace(());
    match tokio::time::timeout(GRACE, server).await {
        Ok(ended) => Ok(ended??),
        // A browser may hold a connection for as long as it likes.
        Err(_) => Ok(()),
    }
}
