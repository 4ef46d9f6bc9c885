//! Circles between the files of a source tree.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{Names, SourceTree};

/// Returns the circles between files. A file and the files below it may use one another: they are one module.
pub(crate) fn circles(tree: &SourceTree) -> Vec<Vec<String>> {
    let mut arrows = tree.arrows();
    for (file, targets) in &mut arrows {
        targets.retain(|target| !file.starts_with(target) && !target.starts_with(file));
    }
    let reach: BTreeMap<&Names, BTreeSet<&Names>> =
        arrows.keys().map(|file| (file, reachable(&arrows, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let back = reached.iter().filter(|other| reach.get(**other).is_some_and(|reached| reached.contains(file)));
        circles.insert(back.map(|file| file.join("::")).collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}

fn reachable<'a>(arrows: &'a BTreeMap<Names, BTreeSet<Names>>, from: &Names) -> BTreeSet<&'a Names> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Names> = arrows[from].iter().collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(arrows.get(file).into_iter().flatten());
        }
    }
    reached
}
