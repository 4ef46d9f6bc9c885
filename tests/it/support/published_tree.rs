//! Generations that a test writes as it likes, in the layout of real ones: blobs, a path map, and a tree of links to the blobs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::site::Generation;

/// Writes `generation` with these files into the site's folder. Does not switch to it.
pub(crate) fn write_generation(site: &Path, generation: &Generation, files: &[(String, Vec<u8>)]) {
    let folder = site.join(format!("generations/{}", generation.number));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("generation.json"), generation.to_json()).unwrap();
    add_files(site, &folder, files);
}

/// Adds these files to the generation in `folder`, over those that are there.
pub(crate) fn add_files(site: &Path, folder: &Path, files: &[(String, Vec<u8>)]) {
    let depot = Depot::open(&site.join("depot")).unwrap();
    let mut generation = Generation::parse(&fs::read(folder.join("generation.json")).unwrap(), folder).unwrap();
    let map = generation.paths.map(|paths| String::from_utf8(depot.read(&paths, 1 << 30).unwrap()).unwrap());
    let line = |line: &str| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.parse().unwrap()));
    let mut paths: BTreeMap<String, Sha256> = map.iter().flat_map(|map| map.lines().filter_map(line)).collect();
    let mut batch = depot.batch();
    for (path, bytes) in files {
        paths.insert(path.clone(), depot.put(&mut batch, bytes).unwrap());
    }
    let map: String = paths.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    generation.paths = Some(depot.put(&mut batch, map.as_bytes()).unwrap());
    batch.commit().unwrap();
    for (path, _) in files {
        let target = folder.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&target); // there may be none
        fs::hard_link(depot.place(&paths[path]), target).unwrap();
    }
    fs::write(folder.join("generation.json"), generation.to_json()).unwrap();
}
