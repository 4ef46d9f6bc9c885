//! Conditional requests (RFC 9110, section 13), judged in the order of its section 13.2.2.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::open::FileVersion;

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConditionVerdict {
    /// Answer as if there were none.
    Go,
    /// 304: the client has it.
    NotModified,
    /// 412: what the client wants to go on with is no longer here.
    Failed,
}

/// Judges all conditions but If-Range.
pub(super) fn judge(headers: &HeaderMap, version: &FileVersion) -> ConditionVerdict {
    if headers.contains_key(header::IF_MATCH) {
        if !any(headers, &header::IF_MATCH, |tag| tag == version.etag) {
            return ConditionVerdict::Failed;
        }
    } else if date(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|since| version.modified > since) {
        return ConditionVerdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        let same = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == version.etag;
        if any(headers, &header::IF_NONE_MATCH, same) {
            return ConditionVerdict::NotModified;
        }
    } else if date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|since| version.modified <= since) {
        return ConditionVerdict::NotModified;
    }
    ConditionVerdict::Go
}

/// Whether the client's part is of this state: the same strong tag, or to the second the same date.
pub(super) fn if_range(value: &HeaderValue, version: &FileVersion) -> bool {
    match value.to_str().map(str::trim) {
        Ok(tag) if tag.starts_with(['"', 'W']) && !tag.starts_with("Wed") => tag == version.etag,
        Ok(text) => parse_date(text) == Some(version.modified),
        Err(_) => false,
    }
}

/// Whether one of the listed tags, or `*`, is it. Commas within a tag's quotation marks separate nothing.
fn any(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(tags).any(|tag| tag == "*" || is_it(tag))
}

fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let apart = move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    list.split(apart).map(str::trim).filter(|tag| !tag.is_empty())
}

/// The date in Unix seconds; a header that says none, or says two, is as if it were not there.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    parse_date(value.to_str().ok()?)
}

fn parse_date(text: &str) -> Option<u64> {
    let time: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_255_200;
    const DATE: &str = "Sat, 21 Nov 2026 10:00:00 GMT";
    const BEFORE: &str = "Sat, 21 Nov 2026 09:59:59 GMT";
    const AFTER: &str = "Saturday, 21-Nov-26 10:00:01 GMT";

    fn version() -> FileVersion {
        FileVersion::new("0123abcd", 2, NOW)
    }

    fn verdict(lines: &[(HeaderName, &str)]) -> ConditionVerdict {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        judge(&headers, &version())
    }

    #[test]
    fn the_order_and_the_comparisons_are_those_of_the_standard() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let tag = version().etag;
        let (tag, weak) = (tag.as_str(), format!("W/{tag}"));
        let listed = format!("\"a,b\", {weak} ,\"c\"");
        for (lines, wanted) in [
            (vec![], ConditionVerdict::Go),
            (vec![(IF_NONE_MATCH, tag)], ConditionVerdict::NotModified),
            (vec![(IF_NONE_MATCH, &weak)], ConditionVerdict::NotModified),
            (vec![(IF_NONE_MATCH, "*")], ConditionVerdict::NotModified),
            (vec![(IF_NONE_MATCH, &listed)], ConditionVerdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, tag)], ConditionVerdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\"")], ConditionVerdict::Go),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AFTER)], ConditionVerdict::Go),
            (vec![(IF_MODIFIED_SINCE, DATE)], ConditionVerdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, AFTER)], ConditionVerdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], ConditionVerdict::Go),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], ConditionVerdict::Go),
            (vec![(IF_MODIFIED_SINCE, DATE), (IF_MODIFIED_SINCE, AFTER)], ConditionVerdict::Go),
            (vec![(IF_MATCH, tag)], ConditionVerdict::Go),
            (vec![(IF_MATCH, "*")], ConditionVerdict::Go),
            (vec![(IF_MATCH, &weak)], ConditionVerdict::Failed),
            (vec![(IF_MATCH, "\"x\"")], ConditionVerdict::Failed),
            (vec![(IF_MATCH, tag), (IF_UNMODIFIED_SINCE, BEFORE)], ConditionVerdict::Go),
            (vec![(IF_MATCH, tag), (IF_NONE_MATCH, tag)], ConditionVerdict::NotModified),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], ConditionVerdict::Failed),
            (vec![(IF_UNMODIFIED_SINCE, DATE)], ConditionVerdict::Go),
        ] {
            assert_eq!(verdict(&lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn a_part_belongs_to_one_state_alone() {
        let version = version();
        let fits = |text: &str| if_range(&HeaderValue::from_str(text).unwrap(), &version);
        assert!(fits(&version.etag) && fits(DATE));
        let weak = format!("W/{}", version.etag);
        for other in [weak.as_str(), "\"x\"", BEFORE, AFTER, "", "*", "Wed, 18 Nov 2026 10:00:00 GMT"] {
            assert!(!fits(other), "{other}");
        }
    }
}
