//! The rows of the page: what opens them, what adds and removes them, and a restart of the server.

use cache_page::Registry;
use cache_page_tests::{Browser, Look};

use crate::server::{Server, figure, named, registry};

#[tokio::test]
async fn a_row_shows_its_lines_by_pointer_and_by_keyboard() {
    let (users, orders) = (named("users", 10), named("orders", 100));
    let registry = registry(&[&users, &orders]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&format!("{}#users", server.address), Look::WIDE).await;
    let is_open = |cache: &str| {
        format!(
            "document.querySelector('[data-cache={cache}] button').ariaExpanded === 'true' && \
             document.querySelector('[data-cache={cache}] .chart').checkVisibility()"
        )
    };
    // A link to one cache opens it.
    browser.until(&is_open("users")).await;
    browser.until(&format!("!({})", is_open("orders"))).await;
    let line = "document.querySelector('[data-cache=users] .chart svg path').getAttribute('d')";
    browser.until(&format!("/^M.*L/.test({line})")).await;
    browser
        .until_text("[data-cache=users] .chart .legend", "hits 0")
        .await;

    browser
        .click("[data-cache=orders] [data-figure=fill]")
        .await;
    browser.until(&is_open("orders")).await;
    // The first stop of the keyboard is the first cache, in the order of the names.
    browser.eval("document.activeElement.blur()").await;
    browser.click("h1").await;
    browser.press("\u{e004}").await;
    let focused = "document.activeElement.innerText";
    assert_eq!(browser.eval(focused).await, "orders");
    browser.press("\u{e007}").await;
    browser.until(&format!("!({})", is_open("orders"))).await;
    browser.press("\u{e004}").await;
    assert_eq!(browser.eval(focused).await, "users");
    // Text that is selected elsewhere keeps a pointer from opening a row, but not the keyboard.
    browser
        .eval("getSelection().selectAllChildren(document.querySelector('h1'))")
        .await;
    browser.press(" ").await;
    browser.until(&format!("!({})", is_open("users"))).await;
    browser.press("\u{e004}").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "json");
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn a_link_opens_a_cache_whose_name_is_not_encoded() {
    let cache = named("100%", 10);
    let registry = registry(&[&cache]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&format!("{}#100%", server.address), Look::WIDE).await;
    browser
        .until("document.querySelector('[data-cache] .chart').checkVisibility()")
        .await;
    let messages = browser.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn a_restart_of_the_server_is_shown_and_survived() {
    let cache = named("users", 100);
    let registry = registry(&[&cache]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    cache.insert(1, 1);
    (0..50).for_each(|_| _ = cache.get(&1));
    browser.until_text("#link", "Live").await;
    browser
        .until_text(&figure("users", "fill"), "1 / 100")
        .await;

    let port = server.port;
    server.end().await;
    browser
        .until_text("#link", "No answer from the server, reconnecting")
        .await;
    browser
        .until("document.documentElement.classList.contains('stale')")
        .await;
    browser.screenshot("page-lost").await;
    // The figures are still there, and dimmed.
    assert!(
        browser
            .text(&figure("users", "fill"))
            .await
            .contains("1 / 100")
    );

    // A new process: its caches count from zero.
    drop(cache);
    let cache = named("users", 200);
    registry.register(&cache).expect("the name is free");
    let server = Server::start(&registry, port).await;
    browser
        .until_text("#link", "Live, the server restarted")
        .await;
    browser
        .until_text(&figure("users", "fill"), "0 / 200")
        .await;
    cache.insert(1, 1);
    browser
        .until_text(&figure("users", "fill"), "1 / 200")
        .await;
    browser
        .until("!document.documentElement.classList.contains('stale')")
        .await;
    // The only messages are the failed connections to this server.
    let own = format!("127.0.0.1:{port}");
    for message in browser.messages().await {
        assert!(
            message.contains(&own) && message.contains("net::ERR"),
            "{message}"
        );
    }
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn a_cache_is_on_the_page_for_as_long_as_it_lives() {
    let registry = Registry::new();
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    browser
        .until_text("#empty", "No cache is registered.")
        .await;
    let names =
        "[...document.querySelectorAll('[data-cache]')].map((row) => row.dataset.cache).join()";
    let users = named("users", 10);
    let awkward = named("<b>\"a'&amp;", 10);
    let orders = named("orders", 10);
    for cache in [&users, &awkward, &orders] {
        registry.register(cache).expect("the name is free");
    }
    browser
        .until(&format!("{names} === '<b>\"a\\'&amp;,orders,users'"))
        .await;
    assert_eq!(browser.text("[data-cache] button").await, "<b>\"a'&amp;");
    drop(orders);
    browser
        .until(&format!("{names} === '<b>\"a\\'&amp;,users'"))
        .await;
    drop((users, awkward));
    browser
        .until_text("#empty", "No cache is registered.")
        .await;
    browser.close().await;
    server.end().await;
}
