//! Trace files: little-endian u64 keys in the order of the requests, plain or compressed with zstd.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use hashbrown::HashMap;
use ruzstd::decoding::StreamingDecoder;

/// The requests of a trace.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) name: String,
    pub(super) requests: Vec<u64>,
    /// The number of distinct keys.
    pub(super) keys: usize,
    /// For each request, the position of the next request for the same key; [`NEVER`] if there is
    /// none.
    pub(super) next: Vec<u32>,
}

pub(super) const NEVER: u32 = u32::MAX;

impl Trace {
    /// Reads at most the first `most` requests of the file.
    pub(super) fn read(path: &Path, most: usize) -> io::Result<Self> {
        let bytes = bytes(path)?;
        let words = bytes.chunks_exact(8);
        if bytes.is_empty() || !words.remainder().is_empty() {
            let length = bytes.len();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{length} bytes: a trace is one u64 or more, 8 bytes each"),
            ));
        }
        let requests = words.take(most).filter_map(|word| word.try_into().ok());
        let requests = requests.map(u64::from_le_bytes).collect();
        Ok(Self::new(name(path), requests))
    }

    pub(super) fn new(name: String, requests: Vec<u64>) -> Self {
        let mut seen = HashMap::new();
        let mut next = vec![NEVER; requests.len()];
        for (place, key) in requests.iter().enumerate().rev() {
            let later = seen.insert(*key, place as u32);
            next[place] = later.unwrap_or(NEVER);
        }
        Self {
            name,
            keys: seen.len(),
            requests,
            next,
        }
    }

    /// The capacities at which the trace is replayed.
    pub(super) fn capacities(&self) -> Vec<usize> {
        let usual = USUAL.iter().find(|(name, _)| *name == self.name);
        let mut capacities = match usual {
            Some((_, capacities)) => capacities.to_vec(),
            None => SHARES.map(|part| self.keys / part).to_vec(),
        };
        capacities.retain(|capacity| (2..self.keys).contains(capacity));
        capacities
    }
}

/// The capacities at which each trace is usually measured in publications.
const USUAL: [(&str, &[usize]); 6] = [
    ("arc_OLTP", &[250, 500, 1_000, 2_000, 5_000]),
    ("arc_P3", &[25_000, 50_000, 100_000, 200_000]),
    ("lirs_sprite", &[100, 200, 400, 600, 800, 1_000]),
    ("c2k_web07", &[200, 400, 800, 1_200, 1_600, 2_000]),
    ("c2k_orm_busy", &[625, 1_250, 2_500, 5_000, 10_000]),
    ("scarab_recs", &[25_000, 50_000, 75_000, 100_000]),
];

/// The capacities of other traces: a tenth, a quarter and a half of the keys.
const SHARES: [usize; 3] = [10, 4, 2];

/// The name of the file without the extensions `.u64` and `.zst`.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".zst").unwrap_or(&name);
    name.strip_suffix(".u64").unwrap_or(name).to_owned()
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "zst") {
        return fs::read(path);
    }
    let file = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    let mut decoder = StreamingDecoder::new(file).map_err(io::Error::other)?;
    decoder.read_to_end(&mut bytes)?;
    Ok(bytes)
}
