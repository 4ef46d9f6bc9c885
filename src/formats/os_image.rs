//! Images of operating systems other than Ubuntu, and of one's own: what MAAS has to be told of them, and the names it takes.
//!
//! The types of files are those of MAAS's `boot-resources create`; which names are reserved stands in MAAS's form for uploads
//! (`maasserver/forms`, `BootResourceForm`).

mod packing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::formats::{Invalid, shortened};
use crate::path::{MalformedPath, PublishPath};

pub use packing::{Content, FilePacking};

/// What a signature's file is called, after the name of the image.
pub const SIGNATURE_SUFFIX: &str = ".sig";

/// The longest os, release, version or architecture, in bytes.
const MAX_TOKEN_BYTES: usize = 64;
/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// The operating systems that MAAS can deploy besides Ubuntu.
const SYSTEMS: [&str; 7] = ["centos", "custom", "esxi", "ol", "rhel", "suse", "windows"];
/// Those of which a stream says all that MAAS needs to know.
const STREAMED: [&str; 5] = ["centos", "esxi", "ol", "rhel", "windows"];
/// The operating systems that a custom image can be built on.
const BASES: [&str; 4] = ["centos", "ol", "rhel", "ubuntu"];
/// The architectures that MAAS knows (`provisioningserver/utils/arch.py` and `maasserver/utils/osystems.py`).
const ARCHITECTURES: [&str; 6] = ["amd64", "arm64", "armhf", "i386", "ppc64el", "s390x"];
/// Other names for them, each with MAAS's.
const OTHER_ARCHITECTURE_NAMES: [(&str, &str); 11] = [
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("x64", "amd64"),
    ("aarch64", "arm64"),
    ("armv8", "arm64"),
    ("armhfp", "armhf"),
    ("armv7l", "armhf"),
    ("i686", "i386"),
    ("x86", "i386"),
    ("ppc64le", "ppc64el"),
    ("powerpc64le", "ppc64el"),
];
/// An image that MAAS is told the base of.
const CUSTOM: &str = "custom";

/// What MAAS has to know of an image besides its architecture and version. Fields stand in the order of their names, since
/// the manifest's keys are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OsImage {
    /// What a custom image is built on, as `rhel/9`; none for what MAAS commissions with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// How the file is packed.
    pub filetype: Filetype,
    /// Such as `centos`.
    pub os: String,
    /// Such as `9`, or `rocky9` of a custom image.
    pub release: String,
    /// The day on which its maker's support ends, YYYY-MM-DD; none if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_eol: Option<String>,
    /// For people.
    pub title: String,
    /// How MAAS comes by it.
    pub via: Via,
}

/// How MAAS comes by an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Through the site's own stream.
    Stream,
    /// It is uploaded.
    Upload,
}

/// How an image is packed, in MAAS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filetype {
    /// A root file system, tar and gzip.
    Tgz,
    /// A root file system, tar and bzip2.
    Tbz,
    /// A root file system, tar and xz.
    Txz,
    /// A disk in tar and gzip.
    Ddtgz,
    /// A disk in tar.
    Ddtar,
    /// A disk.
    Ddraw,
    /// A disk in tar and bzip2.
    Ddtbz,
    /// A disk in tar and xz.
    Ddtxz,
    /// A disk, bzip2.
    Ddbz2,
    /// A disk, gzip.
    Ddgz,
    /// A disk, xz.
    Ddxz,
}

impl Filetype {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Tgz,
        Self::Tbz,
        Self::Txz,
        Self::Ddtgz,
        Self::Ddtar,
        Self::Ddraw,
        Self::Ddtbz,
        Self::Ddtxz,
        Self::Ddbz2,
        Self::Ddgz,
        Self::Ddxz,
    ];

    /// What an upload calls it, what a stream's `ftype` calls it, and the name of the published file.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::Tgz => ["tgz", "root-tgz", "root.tar.gz"],
            Self::Tbz => ["tbz", "root-tbz", "root.tar.bz2"],
            Self::Txz => ["txz", "root-txz", "root.tar.xz"],
            Self::Ddtgz => ["ddtgz", "root-dd", "root-dd.tar.gz"],
            Self::Ddtar => ["ddtar", "root-dd.tar", "root-dd.tar"],
            Self::Ddraw => ["ddraw", "root-dd.raw", "root-dd.raw"],
            Self::Ddtbz => ["ddtbz", "root-dd.tar.bz2", "root-dd.tar.bz2"],
            Self::Ddtxz => ["ddtxz", "root-dd.tar.xz", "root-dd.tar.xz"],
            Self::Ddbz2 => ["ddbz2", "root-dd.bz2", "root-dd.raw.bz2"],
            Self::Ddgz => ["ddgz", "root-dd.gz", "root-dd.raw.gz"],
            Self::Ddxz => ["ddxz", "root-dd.xz", "root-dd.raw.xz"],
        }
    }

    /// What `boot-resources create` calls it.
    pub fn as_str(self) -> &'static str {
        let [upload, ..] = self.names();
        upload
    }

    /// What an item of a stream has as its `ftype`.
    pub fn ftype(self) -> &'static str {
        let [_, ftype, _] = self.names();
        ftype
    }

    /// The name of the published file.
    pub fn file_name(self) -> &'static str {
        let [.., file] = self.names();
        file
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Upload => "upload",
        })
    }
}

impl Via {
    /// How an image of this operating system gets to MAAS unless something else is said.
    pub fn of(os: &str) -> Self {
        if STREAMED.contains(&os) { Self::Stream } else { Self::Upload }
    }
}

/// Whether the text is a name that is safe in paths, addresses and commands.
fn check_token(field: &'static str, text: &str) -> Result<(), Invalid> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed);
    match good && text.len() <= MAX_TOKEN_BYTES {
        true => Ok(()),
        false => Err(Invalid::new(format!(
            "its {field} {:?} is not 1 to 64 letters, digits, '.', '_' and '-' that start with a letter or digit",
            shortened(text)
        ))),
    }
}

impl OsImage {
    /// OS/RELEASE.
    pub fn name(&self) -> String {
        format!("{}/{}", self.os, self.release)
    }

    /// The folder of one version below the collection.
    pub fn folder(&self, architecture: &str, version: &str) -> String {
        format!("{}/{architecture}/{version}", self.name())
    }

    /// Where its file is published below the collection.
    pub fn path(&self, architecture: &str, version: &str) -> Result<PublishPath, MalformedPath> {
        format!("{}/{}", self.folder(architecture, version), self.filetype.file_name()).parse()
    }

    /// What MAAS calls it after an upload: `custom/` goes.
    pub fn uploaded_name(&self) -> String {
        if self.os == CUSTOM { self.release.clone() } else { self.name() }
    }

    /// Whether MAAS can take it, as far as it can be told from the image alone.
    pub fn check(&self, architecture: &str, version: &str) -> Result<(), Invalid> {
        for (field, text) in
            [("os", &*self.os), ("release", &*self.release), ("architecture", architecture), ("version", version)]
        {
            check_token(field, text)?;
        }
        if !ARCHITECTURES.contains(&architecture) {
            let lower = architecture.to_ascii_lowercase();
            let known = OTHER_ARCHITECTURE_NAMES
                .iter()
                .chain(ARCHITECTURES.map(|name| (name, name)).iter())
                .find(|(other, _)| *other == lower)
                .map(|(_, right)| *right);
            let advice = match known {
                Some(right) => format!("write architecture = {right:?}"),
                None => format!("it is one of {}", ARCHITECTURES.join(", ")),
            };
            return Err(Invalid::new(format!("MAAS knows no architecture {architecture:?}: {advice}")));
        }
        let shown = self.title.chars().count() <= MAX_TITLE_CHARS && !self.title.trim().is_empty();
        if !shown || crate::terminal::safe(&self.title).to_string() != self.title {
            return Err(Invalid::new(
                "its title is empty, longer than 200 characters, or has characters that steer a terminal",
            ));
        }
        let is_day = |day: &&String| day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok();
        if let Some(day) = self.support_eol.as_ref().filter(|day| !is_day(day)) {
            return Err(Invalid::new(format!("support-eol {:?} is not a day as YYYY-MM-DD", shortened(day))));
        }
        match self.os.as_str() {
            "ubuntu" => {
                return Err(Invalid::new(
                    "MAAS takes no upload called ubuntu/…: an Ubuntu of your own is os = \"custom\", and Ubuntu's are [[images]]",
                ));
            }
            os if !SYSTEMS.contains(&os) => {
                return Err(Invalid::new(format!("MAAS knows no os {os:?}: it is one of {}", SYSTEMS.join(", "))));
            }
            os if self.via == Via::Stream && !STREAMED.contains(&os) => {
                return Err(Invalid::new(format!(
                    "via = \"stream\" is for {}: a stream cannot say what {} is built on, so it has to be uploaded",
                    STREAMED.join(", "),
                    self.name()
                )));
            }
            _ => {}
        }
        self.check_base()?;
        if self.via == Via::Upload { self.check_reserved(None, is_kept) } else { Ok(()) }
    }

    fn check_base(&self) -> Result<(), Invalid> {
        let Some(base) = &self.base_image else { return Ok(()) };
        if self.os != CUSTOM {
            return Err(Invalid::new(format!(
                "base-image is for os = \"custom\" alone: MAAS knows what {} is",
                self.name()
            )));
        }
        // MAAS compares in lower case.
        let good = |(os, release): (&str, &str)| {
            BASES.contains(&os) && check_token("base-image", release).is_ok() && !release.contains(char::is_uppercase)
        };
        if base.split_once('/').is_some_and(good) {
            return Ok(());
        }
        Err(Invalid::new(format!("base-image {base:?} is not OS/RELEASE with the os one of {}", BASES.join(", "))))
    }

    fn check_reserved(&self, by: Option<String>, is_reserved: impl Fn(&str) -> bool) -> Result<(), Invalid> {
        let short = self.uploaded_name();
        if !is_reserved(&short) {
            return Ok(());
        }
        let by = by.map(|by| format!(", since the stream lists {by}")).unwrap_or_default();
        let name = self.name();
        Err(Invalid::new(format!(
            "{name} would be uploaded under the name {short}, which MAAS reserves{by}: choose another release"
        )))
    }
}

/// Names that MAAS keeps: of operating systems, and of CentOS's versions to come.
fn is_kept(name: &str) -> bool {
    let centos = name
        .strip_prefix("centos")
        .is_some_and(|rest| (1..=2).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit()));
    centos || SYSTEMS.contains(&name) || name == "ubuntu"
}

/// Whether MAAS can take all of these images, each with its architecture, side by side.
pub fn check_together<'i>(images: impl Iterator<Item = (&'i OsImage, &'i str)> + Clone) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    // MAAS reserves OS/RELEASE of what streams list, and either part of it.
    let mut reserved: BTreeMap<String, String> = BTreeMap::new();
    for (image, architecture) in images.clone() {
        if !seen.insert((&image.os, &image.release, architecture)) {
            let name = image.name();
            return Err(Invalid::new(format!(
                "{name}/{architecture} is there twice: an os, a release and an architecture make one image"
            )));
        }
        if image.via == Via::Stream {
            for name in [image.name(), image.os.clone(), image.release.clone()] {
                reserved.insert(name, image.name());
            }
        }
    }
    for (image, _) in images.filter(|(image, _)| image.via == Via::Upload) {
        let by = reserved.get(&image.uploaded_name()).cloned();
        let is_listed = by.is_some();
        image.check_reserved(by, |_| is_listed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::refusal;

    fn image(os: &str, release: &str) -> OsImage {
        OsImage {
            base_image: None,
            filetype: Filetype::Tgz,
            os: os.to_owned(),
            release: release.to_owned(),
            support_eol: Some("2032-05-31".to_owned()),
            title: "An image".to_owned(),
            via: Via::of(os),
        }
    }

    #[test]
    fn what_maas_takes() {
        for (os, release) in [("centos", "9"), ("rhel", "9"), ("windows", "win2022"), ("esxi", "8"), ("ol", "9.2")] {
            assert_eq!(image(os, release).check("amd64", "20250101"), Ok(()), "{os}");
            assert_eq!(image(os, release).via, Via::Stream);
        }
        for (os, release) in [("custom", "rocky9"), ("suse", "sles15")] {
            assert_eq!(image(os, release).check("amd64", "1.0"), Ok(()), "{os}");
            assert_eq!(image(os, release).via, Via::Upload);
        }
        let based = OsImage { base_image: Some("rhel/9".into()), ..image("custom", "rocky9") };
        assert_eq!(based.check("arm64", "1"), Ok(()));
        assert_eq!(based.path("arm64", "1").unwrap().as_str(), "custom/rocky9/arm64/1/root.tar.gz");
        assert_eq!((based.uploaded_name(), image("suse", "s").uploaded_name()), ("rocky9".into(), "suse/s".into()));
    }

    #[test]
    fn architecture_has_the_name_that_maas_gives_it() {
        for (found, instead) in
            [("x86_64", Some("amd64")), ("AMD64", Some("amd64")), ("ppc64le", Some("ppc64el")), ("m68k", None)]
        {
            let refusal = image("custom", "rocky9").check(found, "1").unwrap_err();
            let words = instead
                .map_or("it is one of amd64, arm64".to_owned(), |right| format!("write architecture = {right:?}"));
            assert!(refusal.to_string().contains(&words), "{refusal}");
        }
    }

    #[test]
    fn what_it_refuses_says_why() {
        let with = |edit: fn(&mut OsImage)| {
            let mut image = image("custom", "rocky9");
            edit(&mut image);
            image.check("amd64", "1").map_err(|error| error.to_string()).unwrap_err()
        };
        for (said, words) in [
            (with(|i| i.os = "ubuntu".into()), "os = \"custom\""),
            (with(|i| i.os = "beos".into()), "knows no os \"beos\""),
            (with(|i| i.os = "../etc".into()), "its os \"../etc\""),
            (with(|i| i.release = "a/b".into()), "its release"),
            (with(|i| i.release = String::new()), "its release"),
            (with(|i| i.release = "a".repeat(65)), "its release"),
            (with(|i| i.title = "a\u{1b}[2J".into()), "title"),
            (with(|i| i.title = " ".into()), "title"),
            (with(|i| i.support_eol = Some("2032-02-30".into())), "support-eol \"2032-02-30\""),
            (with(|i| i.support_eol = Some("20320531".into())), "support-eol"),
            (with(|i| i.via = Via::Stream), "custom/rocky9 is built on"),
            (with(|i| i.base_image = Some("beos/9".into())), "base-image \"beos/9\""),
            (with(|i| i.base_image = Some("rhel".into())), "base-image \"rhel\""),
            (with(|i| i.release = "centos7".into()), "the name centos7, which MAAS reserves:"),
            (with(|i| i.release = "windows".into()), "reserves"),
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let based = OsImage { base_image: Some("rhel/9".into()), ..image("rhel", "9") };
        assert!(refusal(based.check("amd64", "1")).contains("MAAS knows what rhel/9 is"));
        assert!(
            refusal(image("rhel", "9").check("amd 64", "1")).starts_with("its architecture \"amd 64\" is not 1 to 64")
        );
    }

    #[test]
    fn names_that_a_stream_takes_away() {
        let stream = image("centos", "9");
        let check = |images: &[OsImage]| check_together(images.iter().map(|image| (image, "amd64")));
        assert_eq!(check(&[stream.clone(), image("custom", "rocky9")]), Ok(()));
        let same = OsImage { via: Via::Upload, ..stream.clone() };
        assert!(refusal(check(&[stream.clone(), same.clone()])).starts_with("centos/9/amd64 is there twice"));
        assert_eq!(check_together([(&stream, "amd64"), (&stream, "arm64")].into_iter()), Ok(()));
        let other = [(&stream, "amd64"), (&same, "arm64")];
        assert!(check_together(other.into_iter()).unwrap_err().to_string().contains("since the stream lists centos/9"));
        let part = check(&[stream, image("custom", "9")]).unwrap_err().to_string();
        assert!(part.contains("custom/9 would be uploaded under the name 9,"), "{part}");
    }
}
