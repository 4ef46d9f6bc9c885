//! Lists of mirrors (apt-transport-mirror(1)): an address in each line, and after a tab what files it is for.

use std::collections::BTreeMap;

use url::Url;

/// One mirror of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Root of the archive.
    pub url: Url,
    /// The lowest is asked first.
    pub priority: u64,
    /// Limits of the mirror: a file must match one of the values of each key.
    limits: BTreeMap<String, Vec<String>>,
}

/// A list of mirrors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorList {
    /// The mirrors, in the order in which they are asked. Of mirrors of one priority apt asks any first; here the first line does.
    pub mirrors: Vec<Mirror>,
    /// Lines that are not addresses.
    pub malformed: Vec<String>,
}

/// A file that is asked of a mirror. Empty values are of files to which a limit does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirroredFile<'a> {
    /// `index` or `deb`.
    pub kind: &'a str,
    /// The architecture.
    pub architecture: &'a str,
    /// The component.
    pub component: &'a str,
    /// The language.
    pub language: &'a str,
    /// The suite, as Release has it.
    pub suite: &'a str,
    /// The codename.
    pub codename: &'a str,
}

impl MirrorList {
    /// Reads a list.
    pub fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (url, metadata) = line.split_once('\t').unwrap_or((line, ""));
            match url.trim().parse() {
                Ok(url) => list.mirrors.push(Mirror::new(url, metadata)),
                Err(_) => list.malformed.push(line.chars().take(200).collect()),
            }
        }
        // The sort is stable.
        list.mirrors.sort_by_key(|mirror| mirror.priority);
        list
    }
}

impl Mirror {
    fn new(url: Url, metadata: &str) -> Self {
        let mut mirror = Self { url, priority: u64::MAX, limits: BTreeMap::new() };
        for (key, value) in metadata.split_whitespace().filter_map(|word| word.split_once(':')) {
            match key {
                "priority" => mirror.priority = value.parse().unwrap_or(u64::MAX),
                _ => mirror.limits.entry(key.to_owned()).or_default().push(value.to_owned()),
            }
        }
        mirror
    }

    /// Returns whether the file is asked of this mirror. A limit that apt does not know is none.
    pub fn has(&self, file: &MirroredFile<'_>) -> bool {
        self.limits.iter().all(|(key, values)| {
            let own = match key.as_str() {
                "type" => file.kind,
                "arch" => file.architecture,
                "component" => file.component,
                "lang" => file.language,
                "suite" => file.suite,
                "codename" => file.codename,
                _ => "",
            };
            own.is_empty() || values.iter().any(|value| value == own)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A list with all kinds of lines.
    const LIST: &str = "# mirrors\nfile:/srv/mirror/debian/\tpriority:1 type:index\n\
                        http://partial.example.org/debian/\tpriority:2 arch:amd64 arch:all type:deb\n\n\
                        http://one.example.org/debian/\ttype:deb\nhttp://two.example.org/debian/\ttype:deb\n\
                        https://all.example.org/debian/\nno address\n";

    #[test]
    fn mirrors_are_asked_for_what_they_have() {
        let list = MirrorList::parse(LIST);
        assert_eq!(list.malformed, ["no address"]);
        let asked = |kind, architecture| {
            let file = MirroredFile { kind, architecture, ..MirroredFile::default() };
            let of = |mirror: &&Mirror| mirror.has(&file);
            list.mirrors.iter().filter(of).map(|mirror| mirror.url.as_str()).collect::<Vec<_>>()
        };
        let (us, de, any) =
            ("http://one.example.org/debian/", "http://two.example.org/debian/", "https://all.example.org/debian/");
        assert_eq!(asked("index", ""), ["file:///srv/mirror/debian/", any]);
        assert_eq!(asked("deb", "i386"), [us, de, any]);
        assert_eq!(asked("deb", "amd64"), ["http://partial.example.org/debian/", us, de, any]);
    }

    #[test]
    fn the_lowest_priority_is_first() {
        let list = MirrorList::parse("http://a/\nhttp://b/\tpriority:2\nhttp://c/\tpriority:1\tx:y\nhttp://d/\n");
        let hosts: Vec<_> = list.mirrors.iter().map(|mirror| mirror.url.host_str().unwrap()).collect();
        assert_eq!(hosts, ["c", "b", "a", "d"]);
        assert!(list.mirrors[0].has(&MirroredFile { kind: "index", ..MirroredFile::default() }));
    }

    proptest! {
        #[test]
        fn every_line_is_a_mirror_or_named(lines in proptest::collection::vec("(http:/{0,2}[a-z]{0,3}|\\PC{0,9}|#)(\t(priority|type|arch):?[0-9a-z]{0,3}){0,2}", 0..6)) {
            let list = MirrorList::parse(&lines.join("\n"));
            let is_entry = |line: &&String| !line.trim_end().is_empty() && !line.starts_with('#');
            prop_assert_eq!(list.mirrors.len() + list.malformed.len(), lines.join("\n").lines().map(str::to_owned).collect::<Vec<_>>().iter().filter(is_entry).count());
            prop_assert!(list.mirrors.is_sorted_by_key(|mirror| mirror.priority));
        }
    }
}
