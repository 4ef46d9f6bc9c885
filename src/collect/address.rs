//! Addresses of upstreams and of the files below them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::error_class::Fault;

/// Characters that are escaped in the path of a file, beside those outside of ASCII. apt escapes `+` and `~` too: stores such
/// as S3 take a raw `+` for a blank, and strict servers refuse a raw `^`.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'~');

/// Returns the address of a file below `root`.
pub fn below(root: &Url, path: &str) -> Url {
    let mut url = root.clone();
    url.set_path(&format!("{}/{}", root.path().trim_end_matches('/'), utf8_percent_encode(path, ESCAPED)));
    url
}

/// Returns the address of a file below `root`, or at a whole URL whose path is not escaped.
pub fn at(root: &Url, place: &str) -> Result<Url, Fault> {
    let Some((scheme, rest)) = place.split_once("://") else { return Ok(below(root, place)) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let text = format!("{scheme}://{host}/");
    let host = Url::parse(&text).map_err(|error| Fault::usage(format!("{text} is not an address")).because(error))?;
    Ok(below(&host, path))
}

/// The root without credentials, as the manifest names it.
pub fn origin(root: &Url) -> String {
    let mut url = root.clone();
    let _ = (url.set_username(""), url.set_password(None)); // both fail only for addresses that have neither
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_strict_servers_refuse() {
        let root = Url::parse("http://up.invalid/debian/").unwrap();
        let url = |path| below(&root, path).to_string();
        assert_eq!(url("pool/a_1%3a2+b~rc1.deb"), "http://up.invalid/debian/pool/a_1%253a2%2Bb%7Erc1.deb");
        assert_eq!(url("r/a-1^git.rpm"), "http://up.invalid/debian/r/a-1%5Egit.rpm");
        assert_eq!(url("streams/com.x:y=z,@.json"), "http://up.invalid/debian/streams/com.x:y=z,@.json");
    }

    #[test]
    fn places_are_paths_or_urls() {
        let root = Url::parse("http://up.invalid/a/b/").unwrap();
        let url = |place| at(&root, place).unwrap().to_string();
        assert_eq!(url("../x y.rpm"), "http://up.invalid/a/x%20y.rpm");
        assert_eq!(url("../../../x.rpm"), "http://up.invalid/x.rpm");
        assert_eq!(url("https://b.invalid:81/x y^1.rpm"), "https://b.invalid:81/x%20y%5E1.rpm");
    }

    proptest::proptest! {
        #[test]
        fn a_file_address_leads_to_the_path(path in "[a-z][a-zA-Z0-9+^~%:@=,._-]{0,20}") {
            let url = below(&Url::parse("file:///srv/up").unwrap(), &path);
            proptest::prop_assert_eq!(url.to_file_path().unwrap(), std::path::Path::new("/srv/up").join(&path));
        }
    }
}
