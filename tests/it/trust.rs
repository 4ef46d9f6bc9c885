//! The trust file: how it changes hands, and what real programs say of its signatures.

mod carried;
mod conformance;
mod page;
pub(crate) mod signatures;
mod story;
mod tuf;

use std::path::Path;

use crate::support::desk::{Desk, Ended};

/// A desk with a site that has three roots, of whom two must sign.
fn desk_with_roots() -> Desk {
    let desk = Desk::new();
    let mut roots = String::new();
    for person in ["anna", "bert", "carl"] {
        desk.run(&format!("keygen {person}.key")).ok();
        roots += &format!(" --root {person}={person}.key.pub");
    }
    desk.init(&[], &roots);
    desk
}

impl Desk {
    /// Writes the next version of the site's trust file to `out`, signed by these persons.
    #[track_caller]
    fn next_trust(&self, out: &str, changes: &str, signers: &[&str]) {
        self.run(&format!("trust edit site --out {out} {changes}")).ok();
        signers.iter().for_each(|person| drop(self.run(&format!("trust sign {out} --key {person}.key")).ok()));
    }

    /// Applies trust files to the site.
    fn apply(&self, files: &str) -> Ended {
        self.run(&format!("trust apply {files} --site site"))
    }

    /// The version of the site's trust file.
    fn trust_version(&self) -> u64 {
        self.run("trust show site --json").ok().json()["version"].as_u64().unwrap()
    }
}

/// The page docs/trust-file.md.
fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trust-file.md")).unwrap()
}
