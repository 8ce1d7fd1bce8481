//! The routes: the site of the shop, its settings and actions, and the live page of its caches.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, Path, State as Shared};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cache_page::Page;

use crate::actions::{self, Outcome};
use crate::settings::{Changes, State};
use crate::shopfront::Shopfront;

pub(crate) fn router(shop: Shopfront, caches: &Page) -> Router {
    Router::new()
        .route("/", get(file("text/html; charset=utf-8", HTML)))
        .route("/site.css", get(file("text/css; charset=utf-8", CSS)))
        .route("/site.js", get(file("text/javascript; charset=utf-8", JS)))
        .route("/state", get(state))
        .route("/settings", post(change))
        .route("/actions/{name}", post(act))
        .with_state(shop)
        .nest_service("/caches", caches.router::<()>())
}

/// A handler that serves a file of the site.
fn file(
    content_type: &'static str,
    text: &'static str,
) -> impl Fn() -> std::future::Ready<Response> + Clone {
    move || {
        std::future::ready(([(header::CONTENT_TYPE, content_type)], HEADERS, text).into_response())
    }
}

async fn state(Shared(shop): Shared<Shopfront>) -> Json<State> {
    Json(State::of(&shop))
}

async fn change(
    Shared(shop): Shared<Shopfront>,
    Json(changes): Json<Changes>,
) -> Result<Json<State>, (StatusCode, String)> {
    let changed = changes.apply(&shop);
    changed.map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    Ok(Json(State::of(&shop)))
}

/// Runs an action. Only one runs at a time, or they would count each other's queries.
async fn act(
    Shared(shop): Shared<Shopfront>,
    Path(name): Path<String>,
) -> Result<Json<Outcome>, (StatusCode, String)> {
    let Ok(running) = Arc::clone(&shop.action).try_lock_owned() else {
        return Err((StatusCode::CONFLICT, "another action is running".to_owned()));
    };
    // A task of its own: an action whose visitor leaves runs to its end.
    let action = tokio::spawn(async move {
        let outcome = run(&shop, &name).await;
        drop(running);
        outcome
    });
    let outcome = action
        .await
        .unwrap_or_else(|error| Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())));
    outcome.map(Json)
}

async fn run(shop: &Shopfront, name: &str) -> Result<Outcome, (StatusCode, String)> {
    Ok(match name {
        "herd" => actions::herd(shop).await,
        "batch" => actions::batch(shop).await,
        "misses" => actions::misses(shop).await,
        "warm" => actions::warm(shop).await,
        "refresh" => actions::refresh(shop).await,
        "write" => actions::write(shop)
            .await
            .map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))?,
        _ => {
            return Err((
                StatusCode::NOT_FOUND,
                format!("there is no action {name:?}"),
            ));
        }
    })
}

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    frame-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("site/site.html");
const CSS: &str = include_str!("site/site.css");
const JS: &str = include_str!("site/site.js");
