//! The programs that run the contract, and a parser of their output.
//!
//! A program is any program that cargo can run and that prints a line for each test, as libtest
//! does, and `test result:` at the end:
//!
//! ```text
//! test contract::loads::leader::one_task_may_join_two_calls_for_one_key ... ok
//! test result: ok. 1 passed; 0 failed
//! ```
//!
//! The last name is the test. The modules before it, without `contract`, are the group that the
//! table looks up: `loads::leader`. `FAILED` instead of `ok` is a broken promise.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// A runtime: one column of the table.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// The arguments of cargo, which runs in the workspace's directory. Programs of other
    /// workspaces are given by `--manifest-path`.
    cargo: &'static [&'static str],
    /// The value of `CONTRACT_RUNTIME`, for a program with several runtimes.
    choice: Option<&'static str>,
}

/// The runtimes, in the order of the table.
pub(crate) const COLUMNS: &[Column] = &[
    column("virtual time", VIRTUAL, None),
    column("Tokio, one thread", CURRENT_THREAD, None),
    column("Tokio, threads", THREADS, Some("tokio-multi-thread")),
    column("Tokio, `LocalSet`", LOCAL, Some("tokio-local-set")),
    column("async-std", THREADS, Some("async-std")),
    column("async-std, local", LOCAL, Some("async-std-local")),
    column("smol", THREADS, Some("smol")),
    column("smol, local", LOCAL, Some("smol-local")),
    column("embassy", EMBASSY, None),
    column("embassy, mock clock", EMBASSY_MOCK, None),
    column("embassy, no runner", EMBASSY_ALONE, None),
    column("no spawner", WITHOUT_SPAWNER, None),
    column("only a clock", BARE, None),
];

const VIRTUAL: &[&str] = &["test", "-p", "cache-tests", "--test", "virtual_runtime"];
const CURRENT_THREAD: &[&str] = &[
    "test",
    "-p",
    "cache-tests",
    "--test",
    "tokio_current_thread",
];
const THREADS: &[&str] = &["test", "-p", "cache-tests", "--test", "threads"];
const LOCAL: &[&str] = &["test", "-p", "cache-tests", "--test", "local"];
const EMBASSY: &[&str] = &[
    "test",
    "--manifest-path",
    "tests/embassy/Cargo.toml",
    "--features",
    "std-driver",
    "--test",
    "std_driver",
];
const EMBASSY_MOCK: &[&str] = &[
    "test",
    "--manifest-path",
    "tests/embassy/Cargo.toml",
    "--features",
    "mock-driver",
    "--test",
    "mock_driver",
];
const EMBASSY_ALONE: &[&str] = &[
    "test",
    "--manifest-path",
    "tests/embassy/Cargo.toml",
    "--features",
    "std-driver",
    "--test",
    "without_runner",
];
const WITHOUT_SPAWNER: &[&str] = &["test", "-p", "cache-tests", "--test", "without_spawner"];
const BARE: &[&str] = &["test", "-p", "cache-tests", "--test", "bare"];

const fn column(
    name: &'static str,
    cargo: &'static [&'static str],
    choice: Option<&'static str>,
) -> Column {
    Column {
        name,
        cargo,
        choice,
    }
}

/// The results of the tests, by group.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeMap<String, Group>);

#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) kept: usize,
    /// The tests that failed.
    pub(crate) broken: Vec<String>,
}

impl Column {
    /// Runs the contract on this runtime.
    pub(crate) fn run(&self, root: &Path) -> io::Result<Report> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).args(self.cargo);
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit());
        cargo.env_remove("CONTRACT_RUNTIME");
        cargo.envs(self.choice.map(|choice| ("CONTRACT_RUNTIME", choice)));
        let output = String::from_utf8_lossy(&cargo.output()?.stdout).into_owned();
        Report::read(&output).ok_or_else(|| {
            let name = self.name;
            io::Error::other(format!("{name}: the program did not finish\n{output}"))
        })
    }
}

impl Report {
    /// Parses the output of a program. `None` if the output is incomplete.
    fn read(output: &str) -> Option<Self> {
        let mut report = Self::default();
        for line in output.lines() {
            if let Some((group, test, kept)) = read_line(line) {
                let group = report.0.entry(group.to_owned()).or_default();
                if kept {
                    group.kept += 1;
                } else {
                    group.broken.push(test.to_owned());
                }
            }
        }
        let ended = output.lines().any(|line| line.starts_with("test result: "));
        (ended && !report.0.is_empty()).then_some(report)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|group| &**group)
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.0.get(name)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.values().all(|group| group.broken.is_empty())
    }
}

/// The group and the test of a line, and whether the test passed.
fn read_line(line: &str) -> Option<(&str, &str, bool)> {
    let (path, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let path = path.strip_suffix(" - should panic").unwrap_or(path);
    let (groups, test) = path.rsplit_once("::")?;
    let group = groups.strip_prefix("contract::").unwrap_or(groups);
    Some((group, test, result.trim_end() == "ok"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept: usize = self.0.values().map(|group| group.kept).sum();
        write!(f, "{kept} tests passed")?;
        for (name, group) in &self.0 {
            for test in &group.broken {
                write!(f, "\n  FAILED {name}::{test}")?;
            }
        }
        Ok(())
    }
}
