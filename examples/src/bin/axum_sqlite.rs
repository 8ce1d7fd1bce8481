//! A web service on axum and SQLite: cached look-ups that may fail or find nothing, orders loaded
//! in batches, statistics, a warm-up and invalidation.
//!
//! `cargo run -p cache-examples --bin axum_sqlite` sends some requests to the service and ends.
//! With `-- --serve` the service listens on port 3000:
//!
//! ```text
//! curl localhost:3000/users/1
//! curl -X PUT -d Ann localhost:3000/users/1
//! curl localhost:3000/users/1/orders
//! curl localhost:3000/stats
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cache_tokio::{BatchLoader, Cache, LoadError};
use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params};
use serde::Serialize;
use tower::ServiceExt;

#[derive(Debug, Clone, Serialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Debug, Clone, Serialize)]
struct Order {
    id: u64,
    product: String,
}

/// One connection. SQLite blocks its thread, so queries run on threads that may block.
#[derive(Clone)]
struct Database {
    connection: Arc<Mutex<Connection>>,
    queries: Arc<AtomicU64>,
}

impl Database {
    fn open() -> SqlResult<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER NOT NULL, product TEXT NOT NULL);
             INSERT INTO users VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Mary');
             INSERT INTO orders VALUES (1, 1, 'apples'), (2, 1, 'pears'), (3, 2, 'plums');",
        )?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            queries: Arc::default(),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> SqlResult<T> {
        let database = self.clone();
        let query = move || {
            database.queries.fetch_add(1, Ordering::Relaxed);
            query(&database.connection.lock().expect("no query panics"))
        };
        tokio::task::spawn_blocking(query)
            .await
            .expect("no query panics")
    }

    async fn user(&self, id: u64) -> SqlResult<Option<User>> {
        let sql = "SELECT id, name FROM users WHERE id = ?1";
        let user = |row: &rusqlite::Row<'_>| {
            let (id, name) = (row.get(0)?, row.get(1)?);
            Ok(User { id, name })
        };
        self.run(move |db| db.query_row(sql, [id], user).optional())
            .await
    }

    async fn rename_user(&self, id: u64, name: String) -> SqlResult<bool> {
        let sql = "UPDATE users SET name = ?2 WHERE id = ?1";
        self.run(move |db| Ok(db.execute(sql, params![id, name])? > 0))
            .await
    }

    async fn user_ids(&self) -> SqlResult<Vec<u64>> {
        let sql = "SELECT id FROM users ORDER BY id LIMIT 1000";
        self.run(move |db| db.prepare(sql)?.query_map([], |row| row.get(0))?.collect())
            .await
    }

    /// The orders of several users, by one query. A user without orders has an empty list.
    async fn orders(&self, users: Vec<u64>) -> SqlResult<HashMap<u64, Arc<[Order]>>> {
        let marks = vec!["?"; users.len()].join(", ");
        let sql = format!("SELECT user, id, product FROM orders WHERE user IN ({marks})");
        self.run(move |db| {
            let mut found: HashMap<u64, Vec<Order>> = HashMap::new();
            let mut query = db.prepare(&sql)?;
            let mut rows = query.query(rusqlite::params_from_iter(&users))?;
            while let Some(row) = rows.next()? {
                let (id, product) = (row.get(1)?, row.get(2)?);
                found
                    .entry(row.get(0)?)
                    .or_default()
                    .push(Order { id, product });
            }
            let lists = users.into_iter().map(|user| {
                let orders = found.remove(&user).unwrap_or_default();
                (user, orders.into())
            });
            Ok(lists.collect())
        })
        .await
    }
}

/// The state of the service. A clone is cheap and shares everything.
#[derive(Clone)]
struct App {
    database: Database,
    users: Cache<u64, User>,
    /// Made once: only callers of one view, or of its clones, share a batch.
    orders: BatchLoader<u64, Arc<[Order]>, rusqlite::Error>,
}

impl App {
    fn new(database: Database) -> Self {
        let minute = Duration::from_secs(60);
        let users = Cache::builder()
            .max_capacity(10_000)
            .time_to_live(5 * minute)
            // Remembers for ten seconds that a user does not exist.
            .negative_ttl(Duration::from_secs(10))
            .load_timeout(Duration::from_secs(5));
        let orders = Cache::builder()
            .max_capacity(10_000)
            .time_to_live(minute)
            .build();
        let batches = database.clone();
        let load = move |users| {
            let database = batches.clone();
            async move { database.orders(users).await }
        };
        Self {
            database,
            users: users.build(),
            orders: orders.batching(load),
        }
    }

    async fn user(&self, id: u64) -> Result<Option<User>, ApiError> {
        let database = self.database.clone();
        let load = || async move { database.user(id).await };
        Ok(self.users.try_optionally_get_with(id, load).await?)
    }

    /// Loads the first users before the first request, four at a time.
    async fn warm_up(&self) -> Result<usize, ApiError> {
        let ids = self.database.user_ids().await?;
        let loaders = ids.into_iter().map(|id| {
            let database = self.database.clone();
            let load = move || async move {
                let user = database.user(id).await?;
                user.ok_or(rusqlite::Error::QueryReturnedNoRows)
            };
            (id, load)
        });
        let report = self.users.warm(4, loaders).await;
        for (id, error) in &report.failures {
            eprintln!("user {id} was not loaded: {error}");
        }
        Ok(report.loaded)
    }

    fn into_service(self) -> Router {
        Router::new()
            .route("/users/{id}", get(user).put(rename))
            .route("/users/{id}/orders", get(orders))
            .route("/stats", get(stats))
            .with_state(self)
    }
}

async fn user(State(app): State<App>, Path(id): Path<u64>) -> Result<Response, ApiError> {
    Ok(match app.user(id).await? {
        Some(user) => Json(user).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn rename(
    State(app): State<App>,
    Path(id): Path<u64>,
    name: String,
) -> Result<StatusCode, ApiError> {
    let renamed = app.database.rename_user(id, name).await;
    // After the update, and also if it failed, since its effect is unknown then. A query of the old
    // name that is in flight does not store its result.
    app.users.invalidate(&id);
    Ok(if renamed? {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    })
}

async fn orders(State(app): State<App>, Path(id): Path<u64>) -> Result<Response, ApiError> {
    let orders = app.orders.get(id).await?;
    Ok(Json(&*orders.unwrap_or_default()).into_response())
}

#[derive(Serialize)]
struct Stats {
    hit_rate: f64,
    loads: u64,
    load_failures: u64,
    entries: u64,
    batches: u64,
    keys_per_batch: f64,
}

async fn stats(State(app): State<App>) -> impl IntoResponse {
    let (users, orders) = (app.users.stats(), app.orders.cache().stats());
    Json(Stats {
        hit_rate: users.hit_rate(),
        loads: users.loads,
        load_failures: users.load_failures,
        entries: app.users.entry_count(),
        batches: orders.batches,
        keys_per_batch: orders.mean_batch(),
    })
}

/// An error as a response. The cause is for the log only.
struct ApiError(LoadError<rusqlite::Error>);

impl<E: Into<LoadError<rusqlite::Error>>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        let status = match self.0 {
            LoadError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        status.into_response()
    }
}

/// Sends a request to the service, and returns the status and the body.
async fn send(service: &Router, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::from(body.to_owned()));
    let request = request.expect("a valid request");
    let response = service.clone().oneshot(request).await.expect("infallible");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await;
    let body = body.expect("a response in memory");
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::main]
async fn main() {
    let app = App::new(Database::open().expect("the database opens"));
    let loaded = app.warm_up().await.map_err(|error| error.0);
    println!("{} users loaded", loaded.expect("the users can be loaded"));
    let service = app.into_service();
    if std::env::args().any(|argument| argument == "--serve") {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await;
        let listener = listener.expect("port 3000 is free");
        return axum::serve(listener, service)
            .await
            .expect("the service runs");
    }
    for (method, path) in [
        ("GET", "/users/1"),
        ("PUT", "/users/1"),
        ("GET", "/users/1"),
        ("GET", "/users/7"),
        ("GET", "/users/1/orders"),
        ("GET", "/stats"),
    ] {
        let (status, body) = send(&service, method, path, "Ann").await;
        println!("{method} {path}: {status} {body}");
    }
}

/// The clock is paused: expiry takes no time, and the window of a batch ends when all requests
/// wait.
#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    struct Test {
        app: App,
        service: Router,
    }

    impl Test {
        fn new() -> Self {
            let app = App::new(Database::open().unwrap());
            let service = app.clone().into_service();
            Self { app, service }
        }

        fn queries(&self) -> u64 {
            self.app.database.queries.load(Ordering::Relaxed)
        }

        async fn get(&self, path: &str) -> (u16, String) {
            let (status, body) = send(&self.service, "GET", path, "").await;
            (status.as_u16(), body)
        }

        /// Sends these requests at once.
        async fn get_all(&self, paths: impl IntoIterator<Item = String>) {
            let mut requests = JoinSet::new();
            for path in paths {
                let service = self.service.clone();
                requests.spawn(async move { send(&service, "GET", &path, "").await });
            }
            while let Some(response) = requests.join_next().await {
                assert_eq!(response.unwrap().0, StatusCode::OK);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_for_a_user_share_a_query() {
        let test = Test::new();
        test.get_all((0..1_000).map(|_| "/users/1".to_owned()))
            .await;
        assert_eq!(test.queries(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_queried_again_after_five_minutes() {
        let test = Test::new();
        for _ in 0..2 {
            assert_eq!(test.get("/users/1").await.0, 200);
            assert_eq!(test.get("/users/1").await.0, 200);
            sleep(Duration::from_secs(300)).await;
        }
        assert_eq!(test.queries(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rename_is_visible_at_once() {
        let test = Test::new();
        assert_eq!(test.get("/users/1").await.1, r#"{"id":1,"name":"Ada"}"#);
        let renamed = send(&test.service, "PUT", "/users/1", "Ann").await;
        assert_eq!(renamed.0, StatusCode::NO_CONTENT);
        assert_eq!(test.get("/users/1").await.1, r#"{"id":1,"name":"Ann"}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_user_is_remembered_for_ten_seconds() {
        let test = Test::new();
        for _ in 0..3 {
            assert_eq!(test.get("/users/7").await.0, 404);
        }
        assert_eq!(test.queries(), 1);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(test.get("/users/7").await.0, 404);
        assert_eq!(test.queries(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_query_is_not_cached() {
        let test = Test::new();
        let sql = |sql: &'static str| test.app.database.run(move |db| db.execute_batch(sql));
        sql("ALTER TABLE users RENAME TO away").await.unwrap();
        assert_eq!(test.get("/users/1").await.0, 500);
        sql("ALTER TABLE away RENAME TO users").await.unwrap();
        assert_eq!(test.get("/users/1").await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_for_orders_share_a_query() {
        let test = Test::new();
        test.get_all((1..=50).map(|user| format!("/users/{user}/orders")))
            .await;
        assert_eq!(test.queries(), 1);
        let (_, orders) = test.get("/users/2/orders").await;
        assert_eq!(orders, r#"[{"id":3,"product":"plums"}]"#);
        assert_eq!(test.queries(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_warm_up_no_request_waits_for_a_query() {
        let test = Test::new();
        assert_eq!(
            test.app.warm_up().await.map_err(|error| error.0).unwrap(),
            3
        );
        let queries = test.queries();
        test.get_all((1..=3).map(|user| format!("/users/{user}")))
            .await;
        assert_eq!(test.queries(), queries);
        assert!(test.get("/stats").await.1.contains(r#""entries":3"#));
    }
}
