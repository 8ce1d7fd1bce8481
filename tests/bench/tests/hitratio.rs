//! Traces are read, replayed and drawn correctly.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use cache_bench::document::{Document, Machine};
use cache_bench::draw::draw;
use cache_bench::hitratio::{HitRatios, hit_ratios};

#[test]
fn the_optimum_hits_in_a_loop_too_long_for_lru() {
    let folder = Folder::new("loop");
    let trace = folder.write("loop.u64", &bytes(&around(20, 1_000)));
    let found = hit_ratios(&[trace], usize::MAX, |why| panic!("skipped: {why}"));
    let [trace] = &found.traces[..] else {
        panic!("one trace gives one result, and not {}", found.traces.len());
    };
    assert_eq!(
        (&*trace.trace, trace.requests, trace.keys),
        ("loop", 1_000, 20)
    );
    assert_eq!(trace.capacities, [2, 5, 10]);
    let last = found.contenders.len() - 1;
    assert_eq!(trace.ratios[last - 1], [0.0; 3], "LRU");
    // Of 20 keys, as many as the capacity can stay for good. Nothing hits in the first pass.
    assert_eq!(trace.ratios[last], [9.8, 24.5, 49.0], "the optimum");
    let contenders = found.contenders.iter().zip(&trace.ratios);
    // These two exceed their capacity for a moment.
    let lax = ["moka", "mini-moka"];
    for (contender, ratios) in
        contenders.filter(|(contender, _)| !lax.contains(&&*contender.package))
    {
        let possible = ratios
            .iter()
            .zip(&trace.ratios[last])
            .all(|(one, best)| one <= best);
        assert!(
            possible,
            "{} betters the optimum: {ratios:?}",
            contender.name()
        );
    }
}

#[test]
fn a_compressed_trace_gives_the_same_result_as_a_plain_one() {
    let folder = Folder::new("zstd");
    let requests = bytes(&around(7, 30));
    let plain = folder.write("plain.u64", &requests);
    let packed = folder.write("packed.u64.zst", &as_zstd(&requests));
    let found = hit_ratios(&[plain, packed], usize::MAX, |why| panic!("skipped: {why}"));
    let [plain, packed] = &found.traces[..] else {
        panic!(
            "two traces give two results, and not {}",
            found.traces.len()
        );
    };
    assert_eq!((&*plain.trace, &*packed.trace), ("plain", "packed"));
    assert_eq!((plain.requests, plain.keys), (packed.requests, packed.keys));
    assert_eq!(plain.ratios.last(), packed.ratios.last());
}

#[test]
fn files_that_are_not_traces_are_skipped_with_a_reason() {
    let folder = Folder::new("skipped");
    let odd = folder.write("odd.u64", &[1, 2, 3]);
    let skipped = std::cell::RefCell::new(Vec::new());
    let absent = folder.0.join("absent.u64");
    let found = hit_ratios(&[absent, odd], usize::MAX, |why| {
        skipped.borrow_mut().push(why)
    });
    assert!(found.traces.is_empty());
    let skipped = skipped.into_inner();
    assert!(skipped[0].contains("absent.u64: "), "{}", skipped[0]);
    assert!(skipped[1].contains("odd.u64: 3 bytes"), "{}", skipped[1]);
}

#[test]
fn written_figures_can_be_read_and_drawn() {
    let folder = Folder::new("drawn");
    let trace = folder.write("loop.u64", &bytes(&around(20, 1_000)));
    let found = hit_ratios(&[trace], usize::MAX, |why| panic!("skipped: {why}"));
    let json = folder.0.join("figures.json");
    document(found)
        .write(&json)
        .expect("a file that can be written");
    let document = Document::read(&json).expect("what was just written");
    let pictures = draw(&document, &folder.0.join("pictures")).expect("a folder to write to");
    let [picture] = &pictures[..] else {
        panic!("hit ratios make one picture: {pictures:?}");
    };
    let svg = fs::read_to_string(picture).expect("what was just drawn");
    assert!(svg.contains("clairvoyant optimum"), "{svg}");
}

fn document(ratios: HitRatios) -> Document {
    Document {
        machine: Machine::this(),
        reports: Vec::new(),
        hit_ratios: Some(ratios),
    }
}

/// Cyclic requests for all keys, one after the other.
fn around(keys: u64, requests: u64) -> Vec<u64> {
    (0..requests).map(|request| request % keys).collect()
}

fn bytes(requests: &[u64]) -> Vec<u8> {
    requests.iter().flat_map(|key| key.to_le_bytes()).collect()
}

/// A zstd frame with one uncompressed block (RFC 8878): a magic number, one segment with its size
/// in a byte, and a last raw block.
fn as_zstd(content: &[u8]) -> Vec<u8> {
    let size = u8::try_from(content.len()).expect("a short content");
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, size];
    frame.extend(&block[..3]);
    frame.extend(content);
    frame
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("cargo's folder for tests can be written to");
        Self(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("the test's folder can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed stays in the build folder and is removed with it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
