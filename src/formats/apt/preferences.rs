//! apt's preferences (apt_preferences(5)), as apt 2.6 reads them: priorities of packages' versions.

use crate::formats::{Invalid, shortened};
use regex::{Regex, RegexBuilder};

use super::deb822::Stanzas;
use super::packages::ControlFields;

/// The records of preferences, in order.
#[derive(Clone, Debug, Default)]
pub struct Preferences {
    records: Vec<PreferenceRecord>,
}

/// A record: packages, versions, and the priority of these.
#[derive(Clone, Debug)]
struct PreferenceRecord {
    /// `None` for all packages, `Package: *`.
    packages: Option<Vec<PackagePattern>>,
    pin: VersionPattern,
    priority: i32,
}

/// A name in `Package`.
#[derive(Clone, Debug)]
struct PackagePattern {
    /// `src:`, the name of a source package.
    is_source: bool,
    name: Pattern,
    /// After a colon; the native one without.
    architecture: Option<String>,
}

/// A condition of `Pin`.
#[derive(Clone, Debug)]
enum VersionPattern {
    Version(Pattern),
    /// The host of an archive; empty for local files.
    Site(Pattern),
    /// Every index.
    Anything,
    /// Conditions that all must hold. A pin without any matches nothing.
    Release(Vec<(ReleaseField, Pattern)>),
}

/// A field of a Release that a pin names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReleaseField {
    Archive,
    Codename,
    /// Archive or codename: a pin without an equals sign.
    ArchiveOrCodename,
    Version,
    Origin,
    Label,
    Component,
    Architecture,
}

/// A word, a glob(7) pattern, or a regular expression between slashes.
#[derive(Clone, Debug)]
enum Pattern {
    Word(String),
    Expression(Regex),
}

/// The origin of an index, as far as preferences can ask for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndexOrigin<'a> {
    /// The host of the archive; empty for local files.
    pub site: &'a str,
    /// `Suite` of its Release.
    pub archive: &'a str,
    /// `Codename`.
    pub codename: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Origin`.
    pub origin: &'a str,
    /// `Label`.
    pub label: &'a str,
    /// The component of the index.
    pub component: &'a str,
    /// The architecture of the index.
    pub architecture: &'a str,
}

impl IndexOrigin<'_> {
    /// dpkg's status, as apt names it.
    pub const INSTALLED: Self = Self {
        site: "",
        archive: "now",
        codename: "now",
        version: "",
        origin: "",
        label: "",
        component: "",
        architecture: "",
    };
}

/// The priority of `Pin-Priority: never`, below all others.
const NEVER: i32 = i16::MIN as i32;

impl Preferences {
    /// Adds the records of one file.
    pub fn read(&mut self, text: &str) -> Result<(), Invalid> {
        // apt ignores lines that begin with `#`.
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        for (place, stanza) in Stanzas::new(text.as_bytes()).enumerate() {
            let number = place + 1;
            let field = |name| stanza.field(name).map(str::trim).unwrap_or_default();
            if stanza.fields().all(|field| field.is("Explanation")) {
                continue;
            }
            let (package, pin) = (field("Package"), field("Pin"));
            if package.is_empty() {
                return Err(Invalid::lacks(record(number), "Package")); // apt refuses it too
            }
            let priority = priority(field("Pin-Priority")).ok_or_else(|| {
                Invalid::at(record(number), "it has no Pin-Priority that is a number but 0, or \"never\"")
            })?;
            let pin = VersionPattern::parse(pin, number)?;
            let packages = match package {
                "*" => None,
                names => {
                    let patterns = names.split_whitespace().map(|name| PackagePattern::parse(name, number));
                    Some(patterns.collect::<Result<_, _>>()?)
                }
            };
            self.records.push(PreferenceRecord { packages, pin, priority });
        }
        Ok(())
    }

    /// The priority of all versions of an index, if a record for all packages says one: the first that matches.
    pub fn of_index(&self, index: &IndexOrigin<'_>) -> Option<i32> {
        let general = self.records.iter().filter(|record| record.packages.is_none());
        let mut matching = general.filter(|record| record.pin.matches_index(index));
        matching.next().map(|record| record.priority)
    }

    /// The first record for this package of a version in an index: its place, and its priority. `native` is the architecture
    /// of the target.
    pub fn of_version(
        &self,
        control: &ControlFields<'_>,
        index: &IndexOrigin<'_>,
        native: &str,
    ) -> Option<(usize, i32)> {
        let matches = |record: &PreferenceRecord| {
            let mut patterns = record.packages.iter().flatten();
            patterns.any(|pattern| pattern.matches(control, native)) && record.pin.matches(control.version, index)
        };
        let place = self.records.iter().position(matches)?;
        Some((place, self.records.get(place)?.priority))
    }
}

/// Returns the place of a record for messages. Records count from 1.
fn record(number: usize) -> String {
    format!("record {number}")
}

fn priority(text: &str) -> Option<i32> {
    match text {
        "never" => Some(NEVER),
        number => number.parse::<i16>().ok().map(i32::from).filter(|priority| *priority != 0),
    }
}

impl PackagePattern {
    fn parse(text: &str, record: usize) -> Result<Self, Invalid> {
        let (is_source, text) = text.strip_prefix("src:").map_or((false, text), |rest| (true, rest));
        let (name, architecture) = match text.rsplit_once(':') {
            Some((name, architecture)) if !is_regular(text) => (name, Some(architecture.to_owned())),
            _ => (text, None),
        };
        Ok(Self { is_source, name: Pattern::parse(name, record)?, architecture })
    }

    fn matches(&self, control: &ControlFields<'_>, native: &str) -> bool {
        let name = if self.is_source { control.source } else { control.name };
        let own = if control.architecture == "all" { native } else { control.architecture };
        let architecture = match self.architecture.as_deref() {
            Some("any") => true,
            // Source packages are pinned for every architecture, binary packages for the native one.
            None if self.is_source => true,
            None | Some("native") => own == native,
            Some(other) => own == other || control.architecture == other,
        };
        architecture && self.name.matches(name)
    }
}

impl VersionPattern {
    fn parse(text: &str, record: usize) -> Result<Self, Invalid> {
        let malformed = || {
            let pin = shortened(text);
            Invalid::at(self::record(record), format!("its Pin is none of version, origin and release: {pin}"))
        };
        let (kind, data) = text.split_once(char::is_whitespace).ok_or_else(malformed)?;
        let data = data.trim();
        match kind {
            "version" => Ok(Self::Version(Pattern::parse(data, record)?)),
            "origin" => {
                let site = data.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(data);
                Ok(Self::Site(Pattern::parse(site, record)?))
            }
            "release" if data == "*" => Ok(Self::Anything),
            "release" => Ok(Self::Release(release_conditions(data, record)?)),
            _ => Err(malformed()),
        }
    }

    fn matches(&self, version: &str, index: &IndexOrigin<'_>) -> bool {
        match self {
            Self::Version(pattern) => pattern.matches(version),
            Self::Anything | Self::Site(_) | Self::Release(_) => self.matches_index(index),
        }
    }

    fn matches_index(&self, index: &IndexOrigin<'_>) -> bool {
        match self {
            Self::Version(_) => false,
            Self::Anything => true,
            Self::Release(conditions) if conditions.is_empty() => false,
            Self::Site(pattern) => pattern.matches(index.site),
            Self::Release(conditions) => conditions.iter().all(|(field, pattern)| match field {
                ReleaseField::Archive => pattern.matches(index.archive),
                ReleaseField::Codename => pattern.matches(index.codename),
                ReleaseField::ArchiveOrCodename => pattern.matches(index.archive) || pattern.matches(index.codename),
                ReleaseField::Version => pattern.matches(index.version),
                ReleaseField::Origin => pattern.matches(index.origin),
                ReleaseField::Label => pattern.matches(index.label),
                ReleaseField::Component => pattern.matches(index.component),
                ReleaseField::Architecture => pattern.matches(index.architecture),
            }),
        }
    }
}

/// `a=stable,o=Debian`, or one word: an archive, a codename, or a version if it begins with a digit.
fn release_conditions(data: &str, record: usize) -> Result<Vec<(ReleaseField, Pattern)>, Invalid> {
    if !data.contains('=') {
        let is_version = data.starts_with(|first: char| first.is_ascii_digit());
        let field = if is_version { ReleaseField::Version } else { ReleaseField::ArchiveOrCodename };
        return Ok(vec![(field, Pattern::parse(data, record)?)]);
    }
    let mut conditions = Vec::new();
    for part in data.split(',') {
        let Some((key, value)) = part.split_once('=') else { continue };
        let field = match key.trim().to_ascii_lowercase().as_str() {
            "a" | "archive" => ReleaseField::Archive,
            "n" | "codename" => ReleaseField::Codename,
            "v" | "version" => ReleaseField::Version,
            "o" | "origin" => ReleaseField::Origin,
            "l" | "label" => ReleaseField::Label,
            "c" | "component" => ReleaseField::Component,
            "b" | "architecture" => ReleaseField::Architecture,
            _ => continue,
        };
        conditions.push((field, Pattern::parse(value.trim(), record)?));
    }
    Ok(conditions)
}

fn is_regular(text: &str) -> bool {
    text.len() > 2 && text.starts_with('/') && text.ends_with('/')
}

/// The largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl Pattern {
    fn parse(text: &str, record: usize) -> Result<Self, Invalid> {
        let expression = match text {
            _ if is_regular(text) => text.trim_start_matches('/').trim_end_matches('/').to_owned(),
            _ if text.contains(['*', '?', '[']) => glob_expression(text),
            word => return Ok(Self::Word(word.to_owned())),
        };
        let built = RegexBuilder::new(&expression)
            .case_insensitive(is_regular(text))
            .dot_matches_new_line(true)
            .size_limit(MAX_PATTERN_BYTES)
            .build();
        let pattern = || Invalid::at(self::record(record), format!("its pattern {} is malformed", shortened(text)));
        built.map(Self::Expression).map_err(|_| pattern())
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => word == text,
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// The regular expression of a glob(7) pattern, as fnmatch(3) reads it without flags.
fn glob_expression(glob: &str) -> String {
    let mut expression = String::from("^");
    let mut rest = glob;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        let set = rest.get(1..).and_then(|tail| tail.find(']')).map(|end| end + 1).filter(|_| first == '[');
        match (first, set) {
            ('*', _) => expression.push_str(".*"),
            ('?', _) => expression.push('.'),
            ('[', Some(end)) => {
                let (inside, after) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
                let (negated, members) = match inside.strip_prefix(['!', '^']) {
                    Some(members) => ("^", members),
                    None => ("", inside),
                };
                let escaped: String = members
                    .chars()
                    .map(|c| if c.is_alphanumeric() || c == '-' { c.to_string() } else { format!("\\{c}") })
                    .collect();
                expression.push_str(&format!("[{negated}{escaped}]"));
                rest = after;
            }
            (other, _) => expression.push_str(&regex::escape(&other.to_string())),
        }
    }
    expression.push('$');
    expression
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(package: &str, pin: &str, priority: &str) -> Preferences {
        let mut preferences = Preferences::default();
        preferences.read(&format!("Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n")).unwrap();
        preferences
    }

    const INDEX: IndexOrigin<'_> = IndexOrigin {
        site: "packages.mozilla.org",
        archive: "oldstable",
        codename: "bookworm",
        version: "12.5",
        origin: "Mozilla",
        label: "Mozilla Builds",
        component: "main",
        architecture: "amd64",
    };

    #[test]
    fn general_records_match_indexes() {
        for (pin, matches) in [
            ("origin packages.mozilla.org", true),
            ("origin \"packages.mozilla.org\"", true),
            ("origin *.mozilla.org", true),
            ("origin \"\"", false),
            ("release o=Mozilla, l=Mozilla Builds", true),
            ("release o=Mozilla,a=stable", false),
            ("release bookworm", true),
            ("release oldstable", true),
            ("release 12*", true),
            ("release v=12.5,c=main,b=amd64,n=/BOOK/", true),
            ("release *", true),
            ("release x=y", false),
            ("version 1*", false),
        ] {
            let found = record("*", pin, "900").of_index(&INDEX);
            assert_eq!(found, matches.then_some(900), "{pin}");
        }
    }

    #[test]
    fn specific_records_match_names_and_versions() {
        let control = ControlFields {
            name: "firefox",
            version: "1:128.0",
            architecture: "amd64",
            source: "ff",
            ..ControlFields::default()
        };
        for (package, pin, matches) in [
            ("firefox", "version 1:128*", true),
            ("other firefox", "version 1:12[0-8].?", true),
            ("fire*", "release o=Mozilla", true),
            ("/^FIRE/", "release o=Mozilla", true),
            ("src:ff", "release o=Mozilla", true),
            ("firefox:any", "release o=Mozilla", true),
            ("firefox:i386", "release o=Mozilla", false),
            ("firefo", "release o=Mozilla", false),
            ("firefox", "version 1:12[!8]*", false),
        ] {
            let found = record(package, pin, "-1").of_version(&control, &INDEX, "amd64");
            assert_eq!(found, matches.then_some((0, -1)), "{package}, {pin}");
        }
    }

    #[test]
    fn comments_and_explanations_are_no_records() {
        let mut preferences = Preferences::default();
        let text = "# why\nExplanation: so\nPackage: *\nPin: release *\nPin-Priority: never\n\nExplanation: alone\n\n";
        preferences.read(text).unwrap();
        assert_eq!((preferences.records.len(), preferences.of_index(&INDEX)), (1, Some(NEVER)));
        for malformed in [
            "Package: a\nPin: release *\n",
            "Pin: version 1\nPin-Priority: 1\n",
            "Package: a\nPin: moon 1\nPin-Priority: 1\n",
        ] {
            assert!(Preferences::default().read(malformed).is_err(), "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "((Package|Pin|Pin-Priority|Explanation): (version |release |origin )?\\PC{0,12}\n){0,5}",
        ) {
            let mut preferences = Preferences::default();
            if preferences.read(&text).is_ok() {
                let _ = preferences.of_index(&INDEX);
                let _ = preferences.of_version(&ControlFields::default(), &INDEX, "amd64");
            }
        }
    }
}
