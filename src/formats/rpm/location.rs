//! Locations of packages, and the paths under which a site has them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::path::{MalformedPath, PublishPath};

/// Stands for a parent folder of the repository in the path of a file that is outside of it.
const PARENT: &str = "_parent";
/// The folder of files that are at another base, below the name of its host.
const BASE: &str = "_base";
/// The characters that no publish path has, beside those outside of ASCII.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'!')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The place of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The file at the site.
    pub(super) file: PublishPath,
    /// The path at upstream, from the repository's root, or the whole URL, if clients of upstream's own metadata do not ask for
    /// `file`.
    pub(super) foreign: Option<String>,
}

impl Location {
    /// Reads a location as dnf does: `.`, `..` and empty components mean what they mean in a URL.
    ///
    /// A location may lead out of the repository, as Amazon's `../../blobstore/…` does, and have characters that no publish
    /// path has. The site has such a file at a path of its own, and re-indexed metadata names that path.
    pub(super) fn parse(location: &str) -> Result<Self, MalformedPath> {
        if location.contains("://") {
            return Ok(Self { file: location.parse()?, foreign: None }); // never a path: it has an empty component
        }
        let (mut above, mut components) = (0, Vec::new());
        for component in location.split('/').filter(|component| !matches!(*component, "" | ".")) {
            match component {
                ".." if components.pop().is_none() => above += 1,
                ".." => {}
                component => components.push(component),
            }
        }
        let inside = components.join("/");
        if above == 0
            && let Ok(file) = inside.parse()
        {
            return Ok(Self { file, foreign: None });
        }
        let is_plain = inside.parse::<PublishPath>().is_ok();
        let escaped = components.iter().map(|component| escaped(component)).collect::<Vec<_>>().join("/");
        let below = if is_plain { &inside } else { &escaped };
        let file = format!("{}{below}", format!("{PARENT}/").repeat(above)).parse()?;
        Ok(Self { file, foreign: Some("../".repeat(above) + &inside) })
    }
}

impl Location {
    /// Reads a location below another base (`xml:base`), which must be an HTTP address. Returns `None` if it is not.
    pub(super) fn at_base(base: &str, location: &str) -> Option<Result<Self, MalformedPath>> {
        let (scheme, rest) = base.split_once("://")?;
        let host = rest.split('/').next().filter(|host| !host.is_empty() && !host.contains(['@', '?', '#']))?;
        if !["http", "https"].contains(&scheme) || rest.contains(['?', '#']) {
            return None;
        }
        let path = format!("{}/{location}", rest.strip_prefix(host).unwrap_or_default());
        Some(Self::parse(&path).and_then(|Self { file, foreign }| {
            // Clients do not leave the host either.
            let path = foreign.unwrap_or_else(|| file.to_string());
            let file = format!("{BASE}/{}/{file}", escaped(host)).parse()?;
            Ok(Self { file, foreign: Some(format!("{scheme}://{host}/{}", path.trim_start_matches("../"))) })
        }))
    }
}

/// Returns a component of a publish path for any component of a path.
fn escaped(component: &str) -> String {
    let starts_well = component.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let start = if starts_well { "" } else { "_" };
    format!("{start}{}", utf8_percent_encode(component, ESCAPED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(location: &str) -> (String, Option<String>) {
        let Location { file, foreign } = Location::parse(location).unwrap();
        (file.to_string(), foreign)
    }

    #[test]
    fn keeps_paths_inside_of_the_repository() {
        for location in ["p/a.rpm", "./p//a.rpm", "/p/a.rpm", "x/../p/./a.rpm", "x/y/../../p/a.rpm"] {
            assert_eq!(parsed(location), ("p/a.rpm".to_owned(), None), "{location}");
        }
    }

    #[test]
    fn gives_paths_to_files_outside_of_the_repository() {
        for (location, file, foreign) in [
            ("../../blobstore/a.rpm", "_parent/_parent/blobstore/a.rpm", "../../blobstore/a.rpm"),
            ("x/../../a.rpm", "_parent/a.rpm", "../a.rpm"),
            ("Pack ages/a%20.rpm", "Pack%20ages/a%2520.rpm", "Pack ages/a%20.rpm"),
            ("p/ä(1).rpm", "p/_%C3%A4%281%29.rpm", "p/ä(1).rpm"),
            (".p/ä/-a.rpm", "_.p/_%C3%A4/_-a.rpm", ".p/ä/-a.rpm"),
        ] {
            assert_eq!(parsed(location), (file.to_owned(), Some(foreign.to_owned())), "{location}");
        }
    }

    #[test]
    fn gives_paths_to_files_at_another_base() {
        for (base, location, file, foreign) in [
            ("http://b.test:81/x/", "p/a.rpm", "_base/b.test:81/x/p/a.rpm", "http://b.test:81/x/p/a.rpm"),
            ("https://b.test", "./a b.rpm", "_base/b.test/a%20b.rpm", "https://b.test/a b.rpm"),
            ("https://b.test/", "../../a.rpm", "_base/b.test/_parent/_parent/a.rpm", "https://b.test/a.rpm"),
        ] {
            let found = Location::at_base(base, location).unwrap().unwrap();
            assert_eq!((found.file.as_str(), found.foreign.as_deref()), (file, Some(foreign)));
        }
        for base in
            ["media://1234", "file:///srv", "/srv", "http://", "http://u@b.test/", "http://b.test/?x", "ftp://b.test"]
        {
            assert_eq!(Location::at_base(base, "a.rpm"), None, "{base}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_path() {
        for location in ["", "/", "..", "x/..", "http://a/b"] {
            assert!(Location::parse(location).is_err(), "{location}");
        }
        assert!(Location::parse(&"../".repeat(500)).is_err());
    }

    proptest! {
        #[test]
        fn a_file_is_its_own_location(location in "[./a %]{0,20}") {
            if let Ok(Location { file, .. }) = Location::parse(&location) {
                prop_assert_eq!(Location::parse(file.as_str()).unwrap(), Location { file, foreign: None });
            }
        }
    }
}
