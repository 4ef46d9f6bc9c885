//! scratch
use gapferry::collect::apt::closure::*;
use std::time::Instant;
fn main() {
    let dir = "/tmp/apt-closure/iso/var/lib/apt/lists";
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_str().unwrap().ends_with("_Packages"))
        .collect();
    files.sort();
    files.reverse();
    let texts: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    let t = Instant::now();
    let n: usize = texts.iter().map(|t| gapferry::formats::apt::deb822::Stanzas::new(t).count()).sum();
    println!("stanzas {n} {:?}", t.elapsed());
    let t = Instant::now();
    let n: usize = texts
        .iter()
        .map(|t| gapferry::formats::apt::deb822::Stanzas::new(t).map(|s| s.fields().count()).sum::<usize>())
        .sum();
    println!("fields {n} {:?}", t.elapsed());
    let t = Instant::now();
    let n: usize =
        texts.iter().map(|t| gapferry::formats::apt::packages::packages(t).filter(|p| p.is_ok()).count()).sum();
    println!("packages {n} {:?}", t.elapsed());
    for seeds in std::env::args().skip(1) {
        let t = Instant::now();
        let request = Request {
            architecture: "amd64",
            indexes: texts.iter().map(|t| Index { text: t, ..Index::default() }).collect(),
            recommends: true,
            seeds: seeds.split(' ').map(|s| s.parse().unwrap()).collect(),
            ..Request::default()
        };
        let solved = solve(&request);
        println!("{seeds}: {:?} in {:?}", solved.map(|s| s.picks.len()), t.elapsed());
    }
}
