//! The text of a Release file, as the Debian wiki's "DebianRepository/Format" page describes it.

use crate::digest::Sha256;

use super::{Suite, Upstream};
use crate::samples::stanza;

/// One index: its path below the suite's folder, size in bytes, and digest.
pub(in crate::upstream) struct ReleaseLine {
    pub(in crate::upstream) path: String,
    pub(in crate::upstream) size: usize,
    pub(in crate::upstream) sha256: Sha256,
}

/// The Release of `suite`, after [`Suite::edit_release`].
pub(in crate::upstream) fn text(upstream: &Upstream, name: &str, suite: &Suite, indexes: &[ReleaseLine]) -> String {
    let components: Vec<&str> = suite.components.keys().map(String::as_str).collect();
    let valid_until = suite.valid_until.map(date).unwrap_or_default();
    let fields = [
        ("Origin", upstream.origin.as_str()),
        ("Label", &upstream.label),
        ("Suite", name),
        ("Codename", &suite.codename),
        ("Date", &date(suite.date)),
        ("Valid-Until", &valid_until),
        ("Acquire-By-Hash", if upstream.by_hash { "yes" } else { "" }),
        ("Architectures", &upstream.architectures.join(" ")),
        ("Components", &components.join(" ")),
        ("Description", "generated archive"),
    ];
    let mut text = stanza(&fields);
    text.push_str("SHA256:\n");
    for index in indexes {
        text.push_str(&format!(" {} {:>10} {}\n", index.sha256, index.size, index.path));
    }
    (suite.edit_release)(text)
}

/// Unix seconds as Release files write them (RFC 2822 with `UTC`); empty where there is no such time.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}
