//! Pdiffs: patches from earlier states of an index to its present one, so that apt fetches only what has changed.
//!
//! The Release lists `INDEX.diff/Index`, and that file lists the patches beside it. So the chain is Release → Index → patch.
//! The format is the one that dak writes and apt reads (`pkgAcqDiffIndex::ParseDiffIndex` in apt-pkg/acquire-item.cc).
//! SHA-256 counts, or SHA-512 if it stands alone. The fields `X-Unmerged-…` name other patches, for which apt does not ask.

use std::collections::BTreeMap;

use super::deb822::{Stanzas, lines};
use super::release::{FileLine, IndexFile, SECTIONS};
use crate::formats::{Invalid, shortened};
use crate::path::PublishPath;

/// The end of an Index's path below its suite, after the path of the uncompressed index.
pub const PDIFF_INDEX_SUFFIX: &str = ".diff/Index";
/// Largest Index that is read, in bytes. Debian's largest has 64 kB.
pub const MAX_PDIFF_INDEX_BYTES: u64 = 4 << 20;
/// Largest number of patches of one Index. Debian has at most 60.
pub const MAX_PATCHES: usize = 1000;
/// Largest patch, in bytes. Debian's largest have a few megabytes.
pub const MAX_PATCH_BYTES: u64 = 64 << 20;

/// The sections of an Index that apt needs, behind the name of the digest.
const PARTS: [&str; 3] = ["History", "Patches", "Download"];

/// The text of `INDEX.diff/Index`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PdiffIndex {
    /// The compressed patches, by their paths. They stand in the folder of the Index.
    pub patches: BTreeMap<PublishPath, IndexFile>,
}

impl PdiffIndex {
    /// Returns the path of the Index of an index below its suite, such as `main/binary-amd64/Packages`.
    pub fn path_of(plain_path: &str) -> Option<PublishPath> {
        format!("{plain_path}{PDIFF_INDEX_SUFFIX}").parse().ok()
    }

    /// Parses the text of the Index at `path`.
    pub fn parse(text: &[u8], path: &PublishPath) -> Result<Self, Invalid> {
        let other_form = || Invalid::new("it is not one stanza of UTF-8 text");
        std::str::from_utf8(text).map_err(|_| other_form())?;
        let mut stanzas = Stanzas::new(text);
        let (Some(stanza), None) = (stanzas.next(), stanzas.next()) else { return Err(other_form()) };
        let folder = path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut patches = BTreeMap::new();
        let fields = |name: &str| PARTS.map(|part| format!("{name}-{part}"));
        let has_all = |name: &str| fields(name).iter().all(|field| stanza.field(field).is_some());
        let (name, kind) = SECTIONS.into_iter().find(|(name, _)| has_all(name)).ok_or_else(weak)?;
        for field in fields(name) {
            for line in lines(stanza.field(&field).unwrap_or_default()) {
                let malformed = || Invalid::new(format!("its {field} has a malformed line: {}", shortened(line)));
                let FileLine { file, path: name } = FileLine::parse(kind, line).ok_or_else(malformed)?;
                if name.contains('/') {
                    return Err(malformed());
                }
                // apt ignores a patch that is not compressed by gzip.
                if field.ends_with("-Download") && name.ends_with(".gz") {
                    let patch = format!("{folder}/{name}").parse().map_err(|_| malformed())?;
                    add(&mut patches, patch, file)?;
                }
            }
        }
        Ok(Self { patches })
    }
}

const WITHOUT_PDIFFS: &str = "leave pdiffs out of indexes in the selection";

fn weak() -> Invalid {
    Invalid::new(format!("weak: it has no History, Patches or Download of SHA256 or SHA512; {WITHOUT_PDIFFS}"))
}

/// Adds a patch within the limits.
fn add(patches: &mut BTreeMap<PublishPath, IndexFile>, patch: PublishPath, file: IndexFile) -> Result<(), Invalid> {
    if file.size > MAX_PATCH_BYTES {
        let size = file.size;
        return Err(Invalid::new(format!(
            "{patch} has {size} bytes, and a patch may have {MAX_PATCH_BYTES}: {WITHOUT_PDIFFS}"
        )));
    }
    if patches.insert(patch.clone(), file).is_some_and(|earlier| earlier != file) {
        return Err(Invalid::new(format!("it lists {patch} twice, with different values")));
    }
    match patches.len() > MAX_PATCHES {
        true => Err(Invalid::new(format!("it lists more than {MAX_PATCHES} patches: {WITHOUT_PDIFFS}"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Sha256;
    use crate::formats::refusal;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn path() -> PublishPath {
        PdiffIndex::path_of("main/binary-amd64/Packages").unwrap()
    }

    fn text(downloads: &str) -> String {
        format!(
            "SHA1-Current: 00 1\nSHA256-Current: {DIGEST} 9\nSHA1-History:\n 00 7 T-2-F-1\nSHA256-History:\n \
             {DIGEST} 7 T-2-F-1\nSHA256-Patches:\n {DIGEST} 5 T-2-F-1\nSHA1-Download:\n 00 3 T-2-F-1.gz\n\
             SHA256-Download:\n{downloads}X-Unmerged-SHA256-Download:\n {DIGEST} 4 1.gz\nX-Patch-Precedence: merged\n"
        )
    }

    fn parse(text: &str) -> Result<PdiffIndex, Invalid> {
        PdiffIndex::parse(text.as_bytes(), &path())
    }

    #[test]
    fn lists_the_compressed_patches_beside_the_index() {
        let index = parse(&text(&format!(" {DIGEST}       3 T-2-F-1.gz\n {DIGEST} 3 T-2-F-1.xz\n"))).unwrap();
        let patch = "main/binary-amd64/Packages.diff/T-2-F-1.gz".parse().unwrap();
        assert_eq!(index.patches, BTreeMap::from([(patch, IndexFile { size: 3, digest: Sha256::of(b"").into() })]));
        assert_eq!(parse(&text("")), Ok(PdiffIndex::default()));
    }

    #[test]
    fn sha512_counts_if_it_stands_alone() {
        let digest = crate::formats::signed_digest::Sha512::of(b"");
        let alone =
            text(&format!(" {DIGEST} 3 a.gz\n")).replace("SHA256-", "SHA512-").replace(DIGEST, &digest.to_hex());
        let patch: PublishPath = "main/binary-amd64/Packages.diff/a.gz".parse().unwrap();
        assert_eq!(parse(&alone).unwrap().patches.get(&patch), Some(&IndexFile { size: 3, digest: digest.into() }));
    }

    #[test]
    fn refuses_what_is_weak_or_malformed() {
        for field in ["SHA256-History", "SHA256-Patches", "\nSHA256-Download"] {
            assert!(refusal(parse(&text("").replace(field, &field.replace("SHA256", "SHA512")))).contains("weak: "));
        }
        assert!(refusal(parse(&format!("{}\nOrigin: x\n", text("")))).contains("not one stanza"));
        assert!(refusal(PdiffIndex::parse(b"\xff: 1\n", &path())).contains("not one stanza"));
        for line in ["../Packages.gz", "by-hash/SHA256/x.gz", "-x.gz", "a.gz b.gz"] {
            let refused = parse(&text(&format!(" {DIGEST} 3 {line}\n")));
            assert!(refusal(&refused).contains("its SHA256-Download has a malformed line"), "{refused:?}");
        }
        let twice = parse(&text(&format!(" {DIGEST} 3 a.gz\n {DIGEST} 4 a.gz\n")));
        assert!(refusal(&twice).contains("twice, with different values"), "{twice:?}");
        let history = parse(&text("").replace("7 T-2-F-1\nSHA256-Patches", "x T-2-F-1\nSHA256-Patches"));
        assert!(refusal(&history).contains("its SHA256-History has a malformed line"), "{history:?}");
    }

    #[test]
    fn limits_the_number_and_the_size_of_patches() {
        let lines = |count| (0..count).map(|n| format!(" {DIGEST} {MAX_PATCH_BYTES} {n}.gz\n")).collect::<String>();
        assert_eq!(parse(&text(&lines(MAX_PATCHES))).unwrap().patches.len(), MAX_PATCHES);
        assert!(refusal(parse(&text(&lines(MAX_PATCHES + 1)))).contains("it lists more than"));
        let large = parse(&text(&format!(" {DIGEST} {} a.gz\n", MAX_PATCH_BYTES + 1)));
        assert!(refusal(&large).contains("and a patch may have"), "{large:?}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in "\\PC{0,60}") {
            let _ = PdiffIndex::parse(&bytes, &path());
            let _ = parse(&text(&format!(" {DIGEST} {line}\n")));
        }

        #[test]
        fn finds_every_patch_that_is_listed(
            names in proptest::collection::btree_map("[A-Z0-9][A-Za-z0-9.-]{0,30}", 0..=MAX_PATCH_BYTES, 0..20),
        ) {
            let line = |(name, size): (&String, &u64)| format!(" {} {size} {name}.gz\n", Sha256::of(name.as_bytes()));
            let index = parse(&text(&names.iter().map(line).collect::<String>())).unwrap();
            let expected = names.iter().map(|(name, size)| {
                let path = format!("main/binary-amd64/Packages.diff/{name}.gz").parse().unwrap();
                (path, IndexFile { size: *size, digest: Sha256::of(name.as_bytes()).into() })
            });
            prop_assert_eq!(index.patches, expected.collect());
        }
    }
}
