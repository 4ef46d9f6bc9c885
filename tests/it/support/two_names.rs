//! A desk with two bundle names: `base` with the collection `demo`, and `tools` with the collection `other`.

use std::path::PathBuf;

use gapferry::upstream::Upstream;

use super::desk::{Desk, heavy};

/// Publishes an archive in the folder `name`: of the package `hello-NAME` this version, and a package that never changes.
pub(crate) fn publish(desk: &Desk, name: &str, version: &str) {
    let mut upstream = Upstream::new(&name.to_uppercase(), &["amd64"]);
    upstream.add("stable", "main", heavy(&format!("hello-{name}"), version, 5_000));
    upstream.add("stable", "main", heavy("constant", "1.0-1", 5_000));
    desk.archive(name, &mut upstream, &["stable"]);
}

/// Exports the archives in these folders under the bundle name. Returns the bundle's folder.
pub(crate) fn bundle_of(desk: &Desk, bundle_name: &str, archives: &[&str]) -> PathBuf {
    let tables = archives.iter().map(|name| desk.table(name, &desk.url(name), "stable main amd64", ""));
    desk.select_as(bundle_name, &tables.collect::<String>());
    desk.bundle()
}

/// Publishes this version of both archives, and carries it to the site in a bundle of each name.
pub(crate) fn ferry_both(desk: &Desk, version: &str) {
    for (bundle_name, archive) in [("base", "demo"), ("tools", "other")] {
        publish(desk, archive, version);
        desk.import(&bundle_of(desk, bundle_name, &[archive])).ok();
    }
}

/// A desk whose site has versions 1.0-1 of both names in generations 1 and 2, and 2.0-1 in 3 and 4.
pub(crate) fn two_names() -> Desk {
    let desk = Desk::new();
    desk.select(""); // for the keyring
    desk.init(&["demo", "other"], "");
    ferry_both(&desk, "1.0-1");
    ferry_both(&desk, "2.0-1");
    desk
}
