//! The fields of a stanza that are read, found in a single pass.

use super::super::deb822::{Field, Stanza};
use super::super::relation;
use super::{ControlFields, MultiArch, Priority};
use crate::formats::signed_digest::DigestKind;
use crate::formats::{Invalid, shortened};

/// Declares the fields that are read, as an enum and its table of names.
macro_rules! fields {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        #[derive(Clone, Copy)]
        pub(super) enum Name { $($variant),+ }
        const NAMES: &[&str] = &[$($name),+];
    };
}

fields! {
    Package = "Package", Version = "Version", Architecture = "Architecture", Priority = "Priority", Source = "Source",
    Essential = "Essential", Important = "Important", Protected = "Protected", MultiArch = "Multi-Arch",
    PreDepends = "Pre-Depends", Depends = "Depends", Recommends = "Recommends", Suggests = "Suggests",
    Conflicts = "Conflicts", Breaks = "Breaks", Replaces = "Replaces", Enhances = "Enhances", Provides = "Provides",
    Task = "Task", Filename = "Filename", Size = "Size", Sha256 = "SHA256", Sha512 = "SHA512", Status = "Status",
    Directory = "Directory", ChecksumsSha256 = "Checksums-Sha256",
    ChecksumsSha512 = "Checksums-Sha512",
}

/// The fields of source packages that name what must be there, or not, for their build.
const OF_BUILDS: [&str; 2] = ["Build-Depends", "Build-Conflicts"];

/// Returns whether a field of this name is read here or by [`BuildRelations`](super::super::build_relations::BuildRelations).
pub(in crate::formats::apt) fn is_read(name: &[u8]) -> bool {
    let begins =
        |start: &str| name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()));
    // Most fields end at their first letter, as in `slot`.
    let Some(first) = name.first().map(u8::to_ascii_uppercase) else { return false };
    let is = |own: &&str| own.as_bytes().first() == Some(&first) && name.eq_ignore_ascii_case(own.as_bytes());
    NAMES.iter().any(is) || OF_BUILDS.into_iter().any(begins)
}

pub(super) fn malformed(package: &str, field: &str) -> Invalid {
    Invalid::at(package, format!("the field {field} is malformed"))
}

/// The known fields of one stanza, found in a single pass.
pub(super) struct Known<'a>([Option<&'a str>; NAMES.len()]);

impl<'a> Known<'a> {
    /// Refuses known fields that are not UTF-8. Of two fields the last counts, as for apt.
    pub(super) fn collect(stanza: Stanza<'a>) -> Result<Self, Invalid> {
        let mut known = Self([None; NAMES.len()]);
        let mut fields = stanza.fields();
        for field in fields.by_ref() {
            let Some((slot, name)) = known.slot(field) else { continue };
            let value = text_of(field);
            if value.is_none() {
                let package = shortened(stanza.field("Package").unwrap_or("(unnamed)"));
                return Err(malformed(&package, name));
            }
            *slot = value;
        }
        if fields.has_stray_line {
            // apt cannot read an index with such a line.
            return Err(Invalid::at(known.package(), "it has a line that is no field"));
        }
        Ok(known)
    }

    /// Where the value of a field goes, and the name of the field.
    #[inline]
    fn slot(&mut self, field: Field<'_>) -> Option<(&mut Option<&'a str>, &'static str)> {
        // Two thirds of all fields are none of ours; most of these end here.
        let first = field.name.first()?.to_ascii_uppercase();
        let is = |name: &str| name.as_bytes().first() == Some(&first) && field.is(name);
        let place = NAMES.iter().position(|name| is(name))?;
        Some((self.0.get_mut(place)?, NAMES.get(place)?))
    }

    /// The value, or an empty text.
    pub(super) fn get(&self, name: Name) -> &'a str {
        self.0.get(name as usize).copied().flatten().unwrap_or_default()
    }

    /// The value of the field with SHA-256, or with SHA-512 if that stands alone, with the name of the field.
    pub(super) fn strongest(&self, sha256: Name, sha512: Name) -> (&'a str, &'static str, DigestKind) {
        let fields = [(sha256, DigestKind::Sha256), (sha512, DigestKind::Sha512)];
        let found = fields.into_iter().find(|(name, _)| !self.get(*name).is_empty());
        let (name, kind) = found.unwrap_or((sha256, DigestKind::Sha256));
        (self.get(name), NAMES[name as usize], kind)
    }

    /// The value, which must be there.
    pub(super) fn need(&self, name: Name) -> Result<&'a str, Invalid> {
        let value = self.get(name);
        if value.is_empty() {
            Err(Invalid::at(self.package(), format!("the field {} is missing", NAMES[name as usize])))
        } else {
            Ok(value)
        }
    }

    fn package(&self) -> String {
        let name = self.get(Name::Package);
        if name.is_empty() { "(unnamed)".to_owned() } else { shortened(name) }
    }

    fn yes(&self, name: Name) -> bool {
        self.get(name).eq_ignore_ascii_case("yes")
    }

    fn checked(&self, name: Name, is_valid: fn(&str) -> bool) -> Result<&'a str, Invalid> {
        let value = self.need(name)?;
        let malformed = || malformed(&self.package(), NAMES[name as usize]);
        if is_valid(value) { Ok(value) } else { Err(malformed()) }
    }

    /// What every kind of binary package stanza has.
    pub(super) fn control(&self) -> Result<ControlFields<'a>, Invalid> {
        let name = self.checked(Name::Package, relation::is_name)?;
        let version = self.checked(Name::Version, relation::is_version)?;
        let (source, source_version) = split_source(self.get(Name::Source));
        Ok(ControlFields {
            name,
            version,
            architecture: self.checked(Name::Architecture, relation::is_name)?,
            priority: Priority::of(self.get(Name::Priority)),
            source: source.unwrap_or(name),
            source_version: source_version.unwrap_or(version),
            hold: self.get(Name::Status).starts_with("hold "),
            essential: self.yes(Name::Essential),
            protected: self.yes(Name::Important) || self.yes(Name::Protected),
            multi_arch: MultiArch::of(self.get(Name::MultiArch)),
            pre_depends: self.get(Name::PreDepends),
            depends: self.get(Name::Depends),
            recommends: self.get(Name::Recommends),
            suggests: self.get(Name::Suggests),
            conflicts: self.get(Name::Conflicts),
            breaks: self.get(Name::Breaks),
            replaces: self.get(Name::Replaces),
            enhances: self.get(Name::Enhances),
            provides: self.get(Name::Provides),
            task: self.get(Name::Task),
        })
    }
}

/// Name and version of a `Source` field such as `gcc-12 (12.2.0-14)`.
pub(in crate::formats::apt) fn split_source(field: &str) -> (Option<&str>, Option<&str>) {
    let mut words = field.split_whitespace();
    let name = words.next();
    let inner = words.next().filter(|word| word.starts_with('(')).map(|word| word.trim_matches(['(', ')']));
    (name, inner.filter(|version| !version.is_empty()))
}

fn text_of(field: Field<'_>) -> Option<&str> {
    std::str::from_utf8(field.value).ok()
}
