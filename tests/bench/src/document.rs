//! The file that stores the figures.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::hitratio::HitRatios;
use crate::measure::Report;

/// Every figure of a run, each round included.
#[derive(Debug, Deserialize, Serialize)]
pub struct Document {
    /// The machine that the figures come from.
    pub machine: Machine,
    /// The benchmarks that were run.
    pub reports: Vec<Report>,
    /// The hit ratios, if traces were replayed.
    pub hit_ratios: Option<HitRatios>,
}

/// The properties of a machine that matter to the figures.
#[derive(Debug, Deserialize, Serialize)]
pub struct Machine {
    /// The processor, if the system reports it.
    pub processor: String,
    /// The number of threads that run in parallel.
    pub cores: usize,
    /// System and architecture.
    pub system: String,
    /// The compiler.
    pub compiler: String,
}

impl Document {
    /// Reads a file that [`Document::write`] wrote.
    ///
    /// # Errors
    ///
    /// Returns an error if the file does not exist or has other content.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        Ok(serde_json::from_reader(file)?)
    }

    /// Writes everything to a file, as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.flush()
    }
}

impl Machine {
    /// The machine that this program runs on.
    pub fn this() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            compiler: compiler().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// All properties in one line.
    pub fn title(&self) -> String {
        let (processor, cores, system) = (&self.processor, self.cores, &self.system);
        format!("{processor}, {cores} cores, {system}, {}", self.compiler)
    }
}

fn processor() -> Option<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = cpus.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The `rustc` on the path. It built this program, unless the toolchain has changed since.
fn compiler() -> Option<String> {
    let version = Command::new("rustc").arg("--version").output().ok()?;
    let words = String::from_utf8(version.stdout).ok()?;
    let words: Vec<&str> = words.split_whitespace().take(2).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
