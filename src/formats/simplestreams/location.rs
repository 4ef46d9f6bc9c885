//! URLs of streams: the root, or an index below it.

use url::Url;

use super::{FOLDER, INLINE, PLAIN};

/// Splits a URL into the stream's root and the index that it names, without the suffix.
pub fn split_url(url: &Url) -> (Url, Option<String>) {
    let mut root = url.clone();
    let path = url.path().trim_end_matches('/');
    let stem = path.strip_suffix(INLINE).or_else(|| path.strip_suffix(PLAIN));
    let at = stem.and_then(|stem| Some((stem, stem.rfind(&format!("/{FOLDER}"))? + 1)));
    let parts = at.and_then(|(stem, at)| Some((path.get(..at)?, stem.get(at..)?)));
    let parts = parts.filter(|(_, stem)| !stem.trim_start_matches(FOLDER).contains('/'));
    let (above, stem) = parts.map_or((path, None), |(above, stem)| (above, Some(stem.to_owned())));
    root.set_path(above);
    (root, stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_root_from_the_index() {
        for (url, root, index) in [
            ("http://images.example/v3/stable", "http://images.example/v3/stable", ""),
            ("http://images.example/v3/stable/", "http://images.example/v3/stable", ""),
            ("http://images.example/v3/streams/v1/index.sjson", "http://images.example/v3/", "streams/v1/index"),
            ("http://images.example/streams/v1/index2.json", "http://images.example/", "streams/v1/index2"),
            ("http://images.example/streams/v1/a/index.json", "http://images.example/streams/v1/a/index.json", ""),
            ("http://images.example/x.json", "http://images.example/x.json", ""),
        ] {
            let (found, stem) = split_url(&url.parse().unwrap());
            assert_eq!((found.as_str(), stem.unwrap_or_default().as_str()), (root, index), "{url}");
        }
    }
}
