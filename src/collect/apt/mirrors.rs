//! The mirrors behind an entry of a source list that names a list of mirrors (apt-transport-mirror(1)).

use url::Url;

use super::archives::{SuiteRequest, WantedArchive};
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::error_class::causes;
use crate::fetch::{FetchError, shown};

use crate::formats::apt::archive::{IN_RELEASE, MAX_RELEASE_BYTES, RELEASE};
use crate::formats::apt::mirror_list::{Mirror, MirrorList, MirroredFile};
use crate::formats::compression::{Compression, decompress};

/// The largest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 1 << 20;

/// The places of an archive.
pub(super) struct Mirrors {
    /// The address of the archive. Of several mirrors it is that of the first, whether it can be reached or not.
    pub(super) first: Url,
    /// The mirrors of the list. Empty for an archive that names none.
    pub(super) all: Vec<Mirror>,
}

/// Finds the places of the archive at `url`, which may be that of a list of mirrors.
pub(super) fn of(url: &Url, notes: &mut Vec<String>, with: &CollectContext<'_>) -> Result<Mirrors, CollectError> {
    let Some(place) = ListPlace::of(url)? else { return Ok(Mirrors { first: url.clone(), all: Vec::new() }) };
    let list_url = shown(url);
    let bytes = with.fetcher.get(&place.url, MAX_LIST_BYTES)?;
    let text = decompress(&bytes, Compression::of_name(place.url.path()), MAX_LIST_BYTES);
    let malformed = |error| Fault::usage(format!("cannot expand the list of mirrors {list_url}")).because(error);
    let text = text.map_err(malformed)?;
    let MirrorList { mirrors, malformed } = MirrorList::parse(&String::from_utf8_lossy(&text));
    let malformed = malformed
        .into_iter()
        .map(|line| format!("{list_url}: skipped a line that is no address: {}", line.escape_debug()));
    notes.extend(malformed);
    let mut all = Vec::new();
    for mut mirror in mirrors {
        match place.usable(&mirror.url) {
            Some(url) => {
                mirror.url = url;
                all.push(mirror);
            }
            None => notes
                .push(format!("{list_url}: skipped the mirror {}, whose transport cannot be used", shown(&mirror.url))),
        }
    }
    let none = || Fault::usage(format!("{list_url} names no mirror that can be used"));
    let first = all.first().map(|mirror| mirror.url.clone()).ok_or_else(none)?;
    Ok(Mirrors { first, all })
}

/// The place of a list of mirrors.
struct ListPlace {
    url: Url,
    is_local: bool,
}

impl ListPlace {
    /// Returns the place of the list that a URI of apt's names; `None` for the URI of an archive.
    fn of(url: &Url) -> Result<Option<Self>, Fault> {
        let Some(rest) = url.scheme().strip_prefix("mirror") else { return Ok(None) };
        let unknown = || {
            let url = shown(url);
            Fault::usage(format!("{url}: lists of mirrors are read over http, https and from files alone"))
        };
        let transport = match rest.strip_prefix('+') {
            _ if rest.is_empty() => "http",
            Some("http") => "http",
            Some("https") => "https",
            Some("file" | "copy") => "file",
            _ => return Err(unknown()),
        };
        let place = url.as_str().strip_prefix(url.scheme()).unwrap_or_default();
        let place = format!("{transport}{place}").parse();
        let place = place.map_err(|_| unknown())?;
        Ok(Some(Self { url: place, is_local: transport == "file" }))
    }

    /// The address at which a mirror of the list can be asked. Only a local list may name local mirrors.
    fn usable(&self, mirror: &Url) -> Option<Url> {
        match mirror.scheme() {
            "http" | "https" => Some(mirror.clone()),
            "file" if self.is_local => Some(mirror.clone()),
            "copy" if self.is_local => format!("file{}", mirror.as_str().strip_prefix("copy")?).parse().ok(),
            _ => None,
        }
    }
}

/// Leaves out mirrors that are out of reach, if another one has the archive: each file would be asked of them first.
pub(super) fn settle(archive: &mut WantedArchive, notes: &mut Vec<String>, with: &CollectContext<'_>) {
    let Some(wanted) = archive.suites.first().filter(|_| archive.mirrors.len() > 1) else { return };
    let index = MirroredFile { kind: "index", ..MirroredFile::default() };
    let mut unreachable: Vec<(Url, FetchError)> = Vec::new();
    for mirror in archive.mirrors.iter().filter(|mirror| mirror.has(&index)) {
        match has_suite(mirror, wanted, with) {
            Ok(true) => {
                for (url, error) in &unreachable {
                    notes.push(format!("left out the mirror {}: {}", shown(url), causes(error).join(": ")));
                }
                archive.mirrors.retain(|mirror| !unreachable.iter().any(|(url, _)| *url == mirror.url));
                return;
            }
            Ok(false) => {}
            Err(error) => unreachable.push((mirror.url.clone(), error)),
        }
    }
}

fn has_suite(mirror: &Mirror, wanted: &SuiteRequest, with: &CollectContext<'_>) -> Result<bool, FetchError> {
    for file in [IN_RELEASE, RELEASE] {
        let url = crate::collect::address::below(&mirror.url, &wanted.suite.path(file));
        match with.fetcher.get(&url, MAX_RELEASE_BYTES) {
            Ok(_) => return Ok(true),
            Err(FetchError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transport_tells_where_a_list_is() {
        for (url, place, is_local) in [
            ("mirror://a.invalid/m.lst", "http://a.invalid/m.lst", false),
            ("mirror+http://a.invalid/m.lst", "http://a.invalid/m.lst", false),
            ("mirror+https://a.invalid/m.lst", "https://a.invalid/m.lst", false),
            ("mirror+file:/etc/apt/m.lst", "file:///etc/apt/m.lst", true),
            ("mirror+file:///etc/apt/m.lst", "file:///etc/apt/m.lst", true),
            ("mirror+copy:/etc/apt/m.lst", "file:///etc/apt/m.lst", true),
        ] {
            let found = ListPlace::of(&url.parse().unwrap()).unwrap().unwrap();
            assert_eq!((found.url.as_str(), found.is_local), (place, is_local), "{url}");
            let copy = found.usable(&"copy:/srv/m".parse().unwrap());
            assert_eq!(copy.map(String::from).as_deref(), is_local.then_some("file:///srv/m"));
        }
        assert!(ListPlace::of(&"http://a.invalid/".parse().unwrap()).unwrap().is_none());
        for url in ["mirror+tor+http://a.invalid/m", "mirrors://a.invalid/m", "mirror+ftp://a.invalid/m"] {
            assert!(ListPlace::of(&url.parse().unwrap()).is_err(), "{url}");
        }
    }
}
