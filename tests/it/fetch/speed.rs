//! How fast the downloader is on loopback. Run by hand:
//! `cargo test --release --test it speed -- --ignored --nocapture`.

use std::io::BufReader;
use std::time::Instant;

use gapferry::digest::Sha256;
use gapferry::fetch::{FetchOptions, Wanted};

use super::{Bench, content};

#[test]
#[ignore = "a measurement"]
fn small_and_large_files() {
    let bench = Bench::with(FetchOptions::default());
    let small: Vec<_> = (0..4000).map(|i| bench.put(&format!("s{i}"), &content(50 << 10, i))).collect();
    measure(&bench, "4,000 files of 50 KiB", &small);
    let large: Vec<_> = (0..4).map(|i| bench.put(&format!("l{i}"), &content(128 << 20, i))).collect();
    measure(&bench, "4 files of 128 MiB", &large);
}

fn measure(bench: &Bench, what: &str, wanted: &[Wanted]) {
    let bytes: u64 = wanted.iter().map(|wanted| wanted.size).sum();
    let start = Instant::now();
    bench.fetch(wanted).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for wanted in wanted {
        let file = std::fs::File::open(&wanted.to).unwrap();
        Sha256::of_reader(&mut BufReader::with_capacity(1 << 18, file)).unwrap();
    }
    let hashing = start.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} files/s, {:.0} MB/s; hashing them on one thread alone: {:.0} MB/s",
        wanted.len() as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
        bytes as f64 / 1e6 / hashing
    );
}
