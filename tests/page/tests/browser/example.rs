//! The example with the shop: each button does what it says.

use std::process::{ExitStatus, Stdio};

use cache_page_tests::{Browser, Look, looks};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The example, as a process.
struct Example {
    process: Child,
    address: String,
}

impl Example {
    async fn start(port: u16) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/page");
        let mut process = Command::new(program)
            .args(["--port", &port.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("cargo build --release -p cache-examples --bin page");
        let output = process.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            if let Some((_, address)) = line.split_once("The shop:") {
                let address = address.trim().to_owned();
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self { process, address };
            }
        }
        panic!("the example ended before it listened");
    }

    fn port(&self) -> u16 {
        let port = self.address.trim_end_matches('/').rsplit(':').next();
        port.and_then(|port| port.parse().ok()).expect("a port")
    }

    /// Presses Ctrl-C.
    async fn interrupt(mut self) -> ExitStatus {
        let id = self.process.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(kill.expect("kill is installed").success());
        self.process.wait().await.expect("it ends")
    }
}

/// The counters of one cache, as of now.
async fn counters(browser: &Browser, cache: &str) -> Value {
    let all = browser.fetch("/caches/stats.json").await;
    let all: Value = serde_json::from_str(&all).expect("JSON");
    let caches = all["caches"].as_array().expect("caches").iter();
    let mut found = caches.filter(|found| found["name"] == cache);
    found.next().expect("the cache is registered").clone()
}

fn count(counters: &Value, name: &str) -> u64 {
    counters[name].as_u64().expect(name)
}

/// Clicks the button of an action and returns what the page then says.
async fn act(browser: &Browser, action: &str, title: &str) -> String {
    browser.click(&format!("[data-action={action}]")).await;
    browser.until_text("#outcome h3", title).await;
    browser
        .until("!document.querySelector('[aria-disabled]')")
        .await;
    browser.text("#outcome").await
}

/// Stops the visitors: the figures are then those of the actions alone.
async fn stop_the_visitors(browser: &Browser) {
    set_rate(browser, 0).await;
}

async fn set_rate(browser: &Browser, rate: u32) {
    browser
        .eval(&format!(
            "(() => {{ const rate = document.getElementById('rate'); rate.value = {rate}; \
             rate.dispatchEvent(new Event('change')); }})()"
        ))
        .await;
    browser
        .until_text("#applied", &format!("Applied: {rate} page views"))
        .await;
}

#[tokio::test]
async fn each_action_does_what_its_button_says() {
    let example = Example::start(0).await;
    let browser = Browser::open(&example.address, Look::WIDE).await;
    stop_the_visitors(&browser).await;

    let before = counters(&browser, "reports").await;
    let herd = act(&browser, "herd", "1,000 requests for one key").await;
    assert!(herd.contains("1,000 queries"), "{herd}");
    assert!(
        herd.contains("1 query,") && !herd.contains("failed"),
        "{herd}"
    );
    let after = counters(&browser, "reports").await;
    assert_eq!(count(&after, "loads") - count(&before, "loads"), 1);
    let requests = |c: &Value| count(c, "hits") + count(c, "misses");
    assert_eq!(requests(&after) - requests(&before), 1_000);

    let before = counters(&browser, "products").await;
    let batch = act(&browser, "batch", "200 products").await;
    assert!(batch.contains("200 queries"), "{batch}");
    let after = counters(&browser, "products").await;
    let batches = count(&after, "batches") - count(&before, "batches");
    assert!(batch.contains(&format!("{batches} quer")), "{batch}");
    // The window is five milliseconds: a busy machine may need more than one.
    assert!((2..=20).contains(&batches), "{batches}");
    assert_eq!(
        count(&after, "batched_keys") - count(&before, "batched_keys"),
        200
    );

    let before = counters(&browser, "profiles").await;
    let misses = act(&browser, "misses", "500 cold keys").await;
    assert!(
        misses.contains("1,000 queries") && misses.contains("500 queries"),
        "{misses}"
    );
    let after = counters(&browser, "profiles").await;
    assert_eq!(count(&after, "loads") - count(&before, "loads"), 500);

    let before = counters(&browser, "profiles").await;
    let warm = act(&browser, "warm", "The first 1,000 requests").await;
    assert!(
        warm.contains("1,000 queries") && warm.contains("0 queries"),
        "{warm}"
    );
    assert!(warm.contains("1000 profiles were loaded"), "{warm}");
    let after = counters(&browser, "profiles").await;
    assert_eq!(count(&after, "loads") - count(&before, "loads"), 1_000);
    assert_eq!(count(&after, "entries"), 1_000);

    let before = counters(&browser, "profiles").await;
    let refresh = act(&browser, "refresh", "1,000 reads while").await;
    assert!(
        refresh.contains("1,000 queries") && refresh.contains("1 query,"),
        "{refresh}"
    );
    assert!(
        refresh.contains("The refresh then replaced the value."),
        "{refresh}"
    );
    let after = counters(&browser, "profiles").await;
    let replaced = |c: &Value| c["removed"]["replaced"].as_u64().unwrap();
    assert_eq!(replaced(&after) - replaced(&before), 1);

    let before = counters(&browser, "profiles").await;
    let write = act(&browser, "write", "A write during a load").await;
    assert!(write.contains("The old result was not stored."), "{write}");
    let city = |after: &str| {
        let rest = write.split(after).nth(1).expect(after);
        rest.split(['.', '\n']).next().unwrap().to_owned()
    };
    assert_eq!(city("the user moved to "), city("The next request got "));
    let after = counters(&browser, "profiles").await;
    assert_eq!(
        count(&after, "loads_fenced") - count(&before, "loads_fenced"),
        1
    );
    browser.frame(Some(0)).await;
    let fenced = "[data-cache=profiles] [data-figure=fenced] b";
    browser
        .until_text(fenced, &count(&after, "loads_fenced").to_string())
        .await;
    browser.frame(None).await;

    let messages = browser.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    browser.close().await;
}

#[tokio::test]
async fn the_visitor_steers_the_load_the_database_and_the_cache() {
    let example = Example::start(0).await;
    let browser = Browser::open(&example.address, Look::WIDE).await;
    let figure = |figure: &str| {
        format!(
            "parseFloat(document.querySelector('[data-cache=profiles] [data-figure={figure}] b').innerText)"
        )
    };

    set_rate(&browser, 500).await;
    browser.frame(Some(0)).await;
    browser
        .until(&format!("Math.abs({} - 500) < 60", figure("requests")))
        .await;
    browser.frame(None).await;

    browser.fill("#capacity", "250").await;
    browser.fill("#ttl", "2").await;
    browser.click("#settings button").await;
    browser
        .until_text("#applied", "capacity 250, TTL 2 s")
        .await;
    browser.frame(Some(0)).await;
    browser
        .until_text("[data-cache=profiles] [data-figure=fill]", "/ 250")
        .await;
    browser.until(&format!("{} <= 250", figure("fill"))).await;
    browser
        .until_text("[data-cache=profiles] [data-figure=evictions]", "capacity")
        .await;
    browser
        .until_text("[data-cache=profiles] [data-figure=evictions]", "expired")
        .await;
    browser.frame(None).await;

    browser.click("input[value=slow]").await;
    browser.until_text("#applied", "database slow").await;
    browser.frame(Some(0)).await;
    let in_flight = "parseInt(document.querySelector('[data-cache=profiles] [data-figure=loads] small').innerText)";
    browser.until(&format!("{in_flight} > 5")).await;
    browser.frame(None).await;

    browser.click("input[value=broken]").await;
    browser.until_text("#applied", "database broken").await;
    browser.frame(Some(0)).await;
    browser.until(&format!("{} > 0", figure("failures"))).await;
    browser
        .until("document.querySelector('[data-cache=profiles] [data-figure=failures] b.bad')")
        .await;
    browser.frame(None).await;
    let herd = act(&browser, "herd", "1,000 requests for one key").await;
    assert!(herd.contains("1,000 failed"), "{herd}");

    browser.click("input[value=normal]").await;
    browser.until_text("#applied", "database normal").await;
    set_rate(&browser, 0).await;
    browser.frame(Some(0)).await;
    browser
        .until(&format!(
            "{} === 0 && {} === 0",
            figure("requests"),
            figure("failures")
        ))
        .await;
    browser.frame(None).await;

    // The settings are those of the server, also for another visitor.
    let state: Value = serde_json::from_str(&browser.fetch("/state").await).expect("JSON");
    assert_eq!(
        (
            count(&state, "rate"),
            count(&state, "capacity"),
            count(&state, "ttl")
        ),
        (0, 250, 2)
    );
    let messages = browser.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    browser.close().await;
}

#[tokio::test]
async fn ctrl_c_ends_the_example_and_the_page_survives_a_restart() {
    let example = Example::start(0).await;
    let port = example.port();
    let browser = Browser::open(&example.address, Look::WIDE).await;
    set_rate(&browser, 50).await;
    assert!(example.interrupt().await.success());
    browser
        .until_text("#offline", "The shop does not answer")
        .await;
    browser.frame(Some(0)).await;
    browser
        .until_text("#link", "No answer from the server")
        .await;
    browser.frame(None).await;

    let _example = Example::start(port).await;
    browser
        .until("document.getElementById('offline').innerText === ''")
        .await;
    // The settings of the new server.
    browser
        .until("document.getElementById('rate').value === '200'")
        .await;
    browser.frame(Some(0)).await;
    browser
        .until_text("#link", "Live, the server restarted")
        .await;
    browser.until("document.querySelector('[data-cache=profiles] [data-figure=requests] b').innerText > '0'").await;
    browser.close().await;
}

#[tokio::test]
async fn the_example_fits_every_screen_and_fetches_nothing_from_elsewhere() {
    let example = Example::start(0).await;
    let browser = Browser::open(&example.address, Look::WIDE).await;
    act(&browser, "herd", "1,000 requests for one key").await;
    browser.frame(Some(0)).await;
    browser
        .until("document.querySelector('.chart svg path:not(.area)').getAttribute('d')")
        .await;
    browser.frame(None).await;
    for look in looks() {
        browser.look(look).await;
        browser
            .until("innerWidth === document.documentElement.clientWidth")
            .await;
        assert_eq!(browser.overflow().await, 0, "{look:?}");
        browser.frame(Some(0)).await;
        let hidden = "document.getElementById('figures').scrollWidth - document.getElementById('figures').clientWidth";
        assert_eq!(browser.eval(hidden).await, 0, "{look:?}");
        browser.frame(None).await;
        browser.grow(look.width).await;
        browser
            .screenshot(&format!("example-{}-{:?}", look.width, look.scheme))
            .await;
    }
    let requested = browser.requested().await;
    assert!(requested.len() > 5, "{requested:?}");
    for address in requested {
        let is_own = address.starts_with(&example.address) || address.starts_with("data:image/");
        assert!(is_own, "{address}");
    }
    let messages = browser.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    browser.close().await;
}
