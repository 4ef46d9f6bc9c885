//! Generations that a test writes as it likes, in the layout of real ones: blobs, path maps, and trees of links to the blobs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::site::{Generation, MountedTree};

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
    let mut trees: BTreeMap<String, BTreeMap<String, Sha256>> = BTreeMap::new();
    let line = |line: &str| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.parse().unwrap()));
    for (below, mount) in &generation.mounts {
        let map = String::from_utf8(depot.read(&mount.paths, 1 << 30).unwrap()).unwrap();
        trees.insert(below.clone(), map.lines().filter_map(line).collect());
    }
    let mut batch = depot.batch();
    let mut changed = BTreeSet::new();
    for (path, bytes) in files {
        let levels = if ["keys", "manifests"].contains(&path.split('/').next().unwrap()) { 1 } else { 2 };
        let (at, _) = path.match_indices('/').nth(levels - 1).unwrap();
        let tree = trees.entry(path[..at].to_owned()).or_default();
        tree.insert(path[at + 1..].to_owned(), depot.put(&mut batch, bytes).unwrap());
        changed.insert(path[..at].to_owned());
    }
    for below in &changed {
        let map: String = trees[below].iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
        let paths = depot.put(&mut batch, map.as_bytes()).unwrap();
        generation.mounts.insert(below.clone(), MountedTree { paths, since: generation.made });
    }
    batch.commit().unwrap();
    for below in &changed {
        let name = format!("trees/{}-{}", below.replace('/', "-"), generation.mounts[below].paths);
        write_tree(&depot, &site.join(&name), &trees[below]);
        let link = folder.join(below);
        let up = "../".repeat(below.split('/').count() + 1);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_dir_all(&link); // there may be none
        symlink(up + &name, link).unwrap();
    }
    fs::write(folder.join("generation.json"), generation.to_json()).unwrap();
}

fn write_tree(depot: &Depot, folder: &Path, files: &BTreeMap<String, Sha256>) {
    for (path, digest) in files {
        let target = folder.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&target); // there may be none
        fs::hard_link(depot.place(digest), target).unwrap();
    }
}
