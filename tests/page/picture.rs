//! Takes the picture of the live page that the documentation shows, of a running example:
//!
//! ```text
//! cargo run --release -p cache-examples --bin page
//! cargo run --manifest-path tests/page/Cargo.toml --target-dir target --bin picture
//! cp target/page/live-page.png docs/pictures
//! ```

use cache_page_tests::{Browser, Look, Scheme};

const LOOK: Look = Look {
    width: 1_600,
    scheme: Scheme::Light,
};

#[tokio::main]
async fn main() {
    let browser = Browser::open("http://127.0.0.1:3000/", LOOK).await;
    browser.click("[data-action=herd]").await;
    browser.until_text("#outcome h3", "1,000 requests").await;
    browser.frame(Some(0)).await;
    // Lines of some minutes.
    browser
        .until("document.querySelector('.axis').innerText.match(/^(5|10) min/)")
        .await;
    browser.frame(None).await;
    browser.eval("document.activeElement.blur()").await;
    browser.grow(LOOK.width).await;
    browser.screenshot("live-page").await;
    browser.close().await;
}
