//! The process that drives browsers.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A `chromedriver` on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    _process: Child,
    pub(crate) address: String,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed: tests/page/setup.sh");
        let output = process.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.');
                // Reads on, or the driver would wait for a reader of its output.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self {
                    _process: process,
                    address: format!("http://127.0.0.1:{port}"),
                };
            }
        }
        panic!("chromedriver ended before it listened");
    }
}
