//! Validators of HTTP (RFC 9110, section 8.8), by which a file is not fetched again while it is the same.

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The headers by which a server tells versions of a file apart, as it has sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileValidators {
    /// `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl FileValidators {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(headers.get(ETAG)), last_modified: text(headers.get(LAST_MODIFIED)) }
    }

    /// The headers of a request for another version than this one.
    pub(super) fn conditions(&self) -> HeaderMap {
        let pairs = [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)];
        let header = |(name, text): (_, &Option<String>)| Some((name, HeaderValue::from_str(text.as_ref()?).ok()?));
        pairs.into_iter().filter_map(header).collect()
    }

    /// When the file was changed, as its server says.
    pub fn date(&self) -> Option<Time> {
        self.last_modified.as_deref().and_then(|text| Time::parse_release_date(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_the_server() {
        let of = |text: &str| FileValidators { etag: None, last_modified: Some(text.to_owned()) }.date();
        assert_eq!(of("Sat, 21 Nov 2026 10:00:00 GMT"), "2026-11-21T10:00:00Z".parse().ok());
        assert_eq!(of("yesterday"), None);
    }

    #[test]
    fn conditions_name_what_is_known() {
        let known = FileValidators { etag: Some("W/\"a\"".into()), last_modified: Some("x\ny".into()) };
        let conditions = known.conditions();
        assert_eq!(conditions.len(), 1, "no line break reaches a header");
        assert_eq!(conditions.get(IF_NONE_MATCH).unwrap(), "W/\"a\"");
    }
}
