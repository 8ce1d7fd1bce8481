//! One browser: what it shows, what it requests, what it writes to its console.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::driver::Driver;

/// How long a test waits for a condition.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(40);
const HEIGHT: u32 = 900;

/// The color scheme that the visitor prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

/// A width and a color scheme.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub scheme: Scheme,
}

impl Look {
    /// The look of a large screen.
    pub const WIDE: Self = Self {
        width: 1_600,
        scheme: Scheme::Light,
    };
}

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _driver: Driver,
}

impl Browser {
    /// Opens `address`.
    pub async fn open(address: &str, look: Look) -> Self {
        let driver = Driver::start().await;
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
            ]},
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.address)
            .await
            .expect("the browser starts");
        let browser = Self {
            client,
            _driver: driver,
        };
        browser.look(look).await;
        browser.client.goto(address).await.expect("an address");
        browser
    }

    /// Changes the size of the window and the preferred color scheme.
    pub async fn look(&self, look: Look) {
        let size = json!({
            "width": look.width, "height": HEIGHT, "deviceScaleFactor": 1,
            "mobile": look.width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        let scheme = match look.scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = json!({ "features": features });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Evaluates an expression of JavaScript.
    pub async fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let value = self.client.execute(&script, Vec::new()).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The text at a path of the server of the page.
    pub async fn fetch(&self, path: &str) -> String {
        let script =
            "const done = arguments[1]; fetch(arguments[0]).then((r) => r.text()).then(done);";
        let text = self.client.execute_async(script, vec![path.into()]).await;
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until the expression is true. It is not while it throws, because the page lacks an
    /// element that it names.
    pub async fn until(&self, expression: &str) {
        let condition = format!(
            "(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
        );
        let started = Instant::now();
        while self.eval(&condition).await != Value::Bool(true) {
            if started.elapsed() > PATIENCE {
                self.screenshot("failed").await;
                panic!(
                    "not true within {PATIENCE:?}: {expression}\n{}",
                    self.body().await
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the text of the element, without its hidden parts, contains `text`.
    pub async fn until_text(&self, css: &str, text: &str) {
        self.until(&format!(
            "document.querySelector({}) && document.querySelector({}).innerText.includes({})",
            quoted(css),
            quoted(css),
            quoted(text)
        ))
        .await;
    }

    /// The visible text of an element.
    pub async fn text(&self, css: &str) -> String {
        let text = self
            .eval(&format!(
                "document.querySelector({}).innerText",
                quoted(css)
            ))
            .await;
        text.as_str().expect("a text").to_owned()
    }

    async fn body(&self) -> String {
        self.text("body").await
    }

    /// Clicks the element as a pointer does: it must be visible and not covered.
    pub async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{css}: {error}"));
        let clicked = element.click().await;
        clicked.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Replaces what is written in an input.
    pub async fn fill(&self, css: &str, text: &str) {
        let input = self.client.find(Locator::Css(css)).await.expect(css);
        input.clear().await.expect(css);
        input.send_keys(text).await.expect(css);
    }

    /// Presses a key in the focused element.
    pub async fn press(&self, key: &str) {
        let focused = self.client.active_element().await.expect("a focus");
        focused.send_keys(key).await.expect(key);
    }

    /// Continues inside of the frame with this number, or outside of all frames.
    pub async fn frame(&self, number: Option<u16>) {
        match number {
            Some(number) => self.client.enter_frame(number).await.expect("the frame"),
            None => self.client.enter_parent_frame().await.expect("a parent"),
        }
    }

    /// Saves a picture of the whole page in `target/page`.
    pub async fn screenshot(&self, name: &str) {
        let picture = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.devtools("Page.captureScreenshot", picture).await;
        let picture = STANDARD
            .decode(picture["data"].as_str().expect("base64"))
            .expect("base64");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/page");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
    }

    /// Makes the window as high as the page, up to a limit, so that a picture has all of it.
    pub async fn grow(&self, width: u32) {
        let height = self.eval("document.documentElement.scrollHeight").await;
        let height = height
            .as_u64()
            .expect("a height")
            .clamp(u64::from(HEIGHT), 6_000);
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// The width by which the page is wider than its window. Zero is right.
    pub async fn overflow(&self) -> i64 {
        let overflow =
            "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.eval(overflow).await.as_i64().expect("a number")
    }

    /// The messages on the console since the last call.
    pub async fn messages(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        entries
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// The addresses that the browser requested since the last call.
    pub async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let requests = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let is_request = event["method"] == "Network.requestWillBeSent";
            is_request.then(|| {
                event["params"]["request"]["url"]
                    .as_str()
                    .map(str::to_owned)
            })?
        });
        requests.collect()
    }

    /// The accessible nodes of the page, as a screen reader finds them: role and name.
    pub async fn accessible(&self) -> Vec<(String, String)> {
        let tree = self
            .devtools("Accessibility.getFullAXTree", json!({}))
            .await;
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .filter(|node| node["ignored"] == false)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", json!({ "type": kind })).await;
        entries.as_array().expect("entries").clone()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("goog/cdp/execute", body).await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        let answer = self.client.issue_cmd(Extension { path, body }).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Ends the browser.
    pub async fn close(self) {
        self.client.close().await.expect("the browser ends");
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A command of Chromium's driver that is not in the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.expect("a session");
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
