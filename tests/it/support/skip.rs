//! Tests that cannot run on this machine. They fail, unless the environment allows them to be skipped.

use std::io::Write as _;

/// Something that a test needs and that not every machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    /// The right to mount file systems.
    Mounts,
    /// FUSE and loop devices.
    Fuse,
    /// Linux namespaces.
    Namespaces,
    /// A kernel that mounts squashfs.
    Squashfs,
    /// Genuine samples of upstream's signed data, which the repository may not contain.
    GenuineData,
    /// apt sources that name a distribution's signed archive.
    HostArchive,
    /// The snapd that `tests/install-snapd` builds.
    Snapd,
}

impl Needs {
    fn word(self) -> &'static str {
        match self {
            Self::Mounts => "mounts",
            Self::Fuse => "fuse",
            Self::Namespaces => "namespaces",
            Self::Squashfs => "squashfs",
            Self::GenuineData => "genuine-data",
            Self::HostArchive => "host-archive",
            Self::Snapd => "snapd",
        }
    }
}

/// Notes that a test is skipped; the caller then returns. Panics unless `GAPFERRY_MAY_SKIP`, a list separated by commas,
/// names what is missing. `tests/run` shows the notes in its summary.
#[track_caller]
pub(crate) fn skip(needs: Needs, why: &str) {
    let word = needs.word();
    let allowed = std::env::var("GAPFERRY_MAY_SKIP").unwrap_or_default();
    assert!(
        allowed.split(',').any(|name| name.trim() == word),
        "cannot run here: {why}; to skip such tests: GAPFERRY_MAY_SKIP={word} tests/run"
    );
    let thread = std::thread::current();
    let line = format!("{word}: {}: {}\n", thread.name().unwrap_or("a test"), why.trim());
    if let Some(list) = std::env::var_os("GAPFERRY_SKIPPED_LIST") {
        let file = std::fs::File::options().create(true).append(true).open(&list);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("GAPFERRY_SKIPPED_LIST");
    }
}
