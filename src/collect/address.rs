//! Addresses of upstreams and of the files below them.

use url::Url;

/// No address can be made of the text.
#[derive(Debug, thiserror::Error)]
#[error("{text} is not an address")]
pub struct MalformedAddress {
    text: String,
    source: url::ParseError,
}

/// The address of a file below `root`; a publish path has no characters that would need more escaping than `%`.
pub fn below(root: &Url, path: &str) -> Result<Url, MalformedAddress> {
    let text = format!("{}/{}", root.as_str().trim_end_matches('/'), path.replace('%', "%25"));
    Url::parse(&text).map_err(|source| MalformedAddress { text, source })
}

/// The root without credentials, as the manifest names it.
pub fn origin(root: &Url) -> String {
    let mut url = root.clone();
    let _ = (url.set_username(""), url.set_password(None)); // both fail only for addresses that have neither
    url.as_str().trim_end_matches('/').to_owned()
}
