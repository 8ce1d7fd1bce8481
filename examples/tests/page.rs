//! The example `page` without a browser: it serves its pages, answers bad requests, and ends on
//! Ctrl-C.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

struct Example {
    process: Child,
    address: String,
    /// Kept open, or the program could not print.
    _output: BufReader<ChildStdout>,
}

impl Example {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_page"))
            .args(["--port", "0", "--users", "3000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = process.stdout.take().expect("the output is piped");
        let mut output = BufReader::new(output);
        let mut address = String::new();
        while !address.starts_with("The shop:") {
            address.clear();
            let length = output.read_line(&mut address).expect("text");
            assert_ne!(length, 0, "the program prints its address");
        }
        let address = address.trim_start_matches("The shop:").trim();
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        Self {
            process,
            address: address.to_owned(),
            _output: output,
        }
    }

    /// Sends a request and returns the whole response.
    fn send(&self, request: &str, content: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the program listens");
        let length = content.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{content}"
        )
        .expect("the request is sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        response
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It has ended if the test passed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn expect(response: &str, status: &str, content: &str) {
    let start = format!("HTTP/1.1 {status}");
    assert!(
        response.starts_with(&start) && response.contains(content),
        "{status}, {content:?}: {response}"
    );
}

#[test]
fn the_pages_and_the_settings_are_served() {
    let example = Example::start();
    for (path, content) in [
        ("/", "<!doctype html>"),
        ("/site.css", ":root"),
        ("/site.js", "use strict"),
        ("/state", "\"backend\":\"normal\""),
        ("/caches/", "<title>Caches</title>"),
        ("/caches", "<title>Caches</title>"),
        ("/caches/stats.json", "\"name\":\"profiles\""),
    ] {
        expect(&example.send(&format!("GET {path}"), ""), "200", content);
    }
    let set = |changes: &str| example.send("POST /settings", changes);
    expect(
        &set(r#"{"capacity":7,"ttl":9,"rate":0}"#),
        "200",
        r#""capacity":7,"ttl":9"#,
    );
    expect(
        &set(r#"{"ttl":0}"#),
        "400",
        "ttl is 0, and must be from 1 to 3600",
    );
    // None of the changes is applied if one is refused.
    expect(
        &set(r#"{"rate":5,"capacity":100001}"#),
        "400",
        "capacity is 100001",
    );
    expect(&set("{}"), "200", r#""rate":0"#);
    expect(&set(r#"{"colour":"red"}"#), "422", "colour");
    expect(&set("nonsense"), "400", "");
    expect(
        &example.send("POST /actions/dance", ""),
        "404",
        "there is no action \"dance\"",
    );
    expect(&example.send("GET /actions/herd", ""), "405", "");
    expect(&example.send("GET /nothing", ""), "404", "");
}

#[test]
fn an_action_counts_the_queries_without_and_with_the_cache() {
    let example = Example::start();
    let herd = example.send("POST /actions/herd", "");
    expect(
        &herd,
        "200",
        r#""without":{"requests":1000,"queries":1000,"failed":0"#,
    );
    expect(
        &herd,
        "200",
        r#""with":{"requests":1000,"queries":1,"failed":0"#,
    );
    expect(
        &example.send("POST /settings", r#"{"backend":"broken"}"#),
        "200",
        "broken",
    );
    let broken = example.send("POST /actions/herd", "");
    expect(&broken, "200", r#""failed":1000"#);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_program_while_a_page_reads_its_events() {
    let mut example = Example::start();
    let mut reader = TcpStream::connect(&example.address).expect("the program listens");
    let request = b"GET /caches/events HTTP/1.1\r\nhost: shop\r\n\r\n";
    reader.write_all(request).expect("the request is sent");
    let mut first = [0; 12];
    reader.read_exact(&mut first).expect("a response");
    assert_eq!(&first, b"HTTP/1.1 200");
    let id = example.process.id().to_string();
    let interrupted = Command::new("kill").args(["-INT", &id]).status();
    assert!(interrupted.expect("kill is installed").success());
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("the stream ends");
    assert!(example.process.wait().expect("it ends").success());
}
