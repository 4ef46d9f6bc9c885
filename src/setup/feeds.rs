//! Scanners for known vulnerabilities: how a client is told to take its data from here.

use std::collections::BTreeMap;

use super::{Facts, PublishedFeed, ServeUrl, SetupError, nothing, quote};
use crate::formats::compression::Compression;
use crate::formats::feed::FeedFormat;
use crate::shell::shell_word;

/// Returns a script for each client. It points debsecan here, and evaluates OVAL definitions for the client's release with oscap; for data of other
/// formats it says how to fetch it.
pub fn feeds_script(facts: &Facts, serve_url: &ServeUrl) -> Result<String, SetupError> {
    if facts.feeds.is_empty() {
        return Err(nothing("security data").into());
    }
    let mut text = "#!/bin/sh\n".to_owned()
        + &quote::comment("#", &format!("{}\nTo be run on each client, as root.", facts.headline("Security data")));
    text += &quote::comment("#", "The data is as old as it was when the bundle was made:");
    for feed in &facts.feeds {
        let date = feed.date.map_or_else(|| "undated".to_owned(), |date| date.to_string());
        text += &quote::comment("#", &format!("  {}/{} ({}): {date}", feed.name, feed.path, feed.format));
    }
    text += "set -eu\n. /etc/os-release\n";
    text += &debsecan(facts, serve_url);
    text += &oscap(facts, serve_url);
    for feed in facts.feeds.iter().filter(|feed| !matches!(feed.format, FeedFormat::Debsecan | FeedFormat::Oval)) {
        text += &quote::comment(
            "#",
            &format!("{} data, for whatever reads it:\n  curl -fsSO {}", feed.format, address(feed, serve_url)),
        );
    }
    Ok(text)
}

/// The address of a file at the site.
fn address(feed: &PublishedFeed, serve_url: &ServeUrl) -> String {
    format!("{serve_url}/feeds/{}/{}", feed.name, feed.path)
}

/// Sets debsecan's source and suite, where there is data for the client's suite.
fn debsecan(facts: &Facts, serve_url: &ServeUrl) -> String {
    let mut suites: BTreeMap<&str, String> = BTreeMap::new();
    for feed in facts.feeds.iter().filter(|feed| feed.format == FeedFormat::Debsecan) {
        let whole = address(feed, serve_url);
        let folder = whole.rsplit_once('/').map_or(whole.as_str(), |(folder, _)| folder).to_owned();
        suites.entry(feed.path.file_name()).or_insert(folder);
    }
    if suites.is_empty() {
        return String::new();
    }
    let mut text = quote::comment("#", "debsecan adds the suite to its source. Afterwards `debsecan` needs no option.");
    text += "case \"${VERSION_CODENAME:-}\" in\n";
    for (suite, source) in suites {
        let (suite, source) = (shell_word(suite), shell_word(&source));
        text += &format!("{suite}) printf 'SUITE=%s\\nSOURCE=%s\\n' {suite} {source} | debsecan --update-config ;;\n");
    }
    text + "esac\n"
}

/// Fetches definitions whose names have the client's release, and evaluates them.
fn oscap(facts: &Facts, serve_url: &ServeUrl) -> String {
    let mut text = String::new();
    for feed in facts.feeds.iter().filter(|feed| feed.format == FeedFormat::Oval) {
        let (url, file) = (shell_word(&address(feed, serve_url)), feed.path.file_name());
        let packing = Compression::of_name(file);
        let plain = shell_word(file.strip_suffix(packing.suffix()).unwrap_or(file));
        let unpack = match packing {
            Compression::Plain => "cat",
            Compression::Gzip => "gzip -d",
            Compression::Xz => "xz -d",
            Compression::Bzip2 => "bzip2 -d",
            Compression::Zstd => "zstd -d",
        };
        text += &format!(
            "case {} in *\"${{VERSION_CODENAME:-none}}\"*)\n  curl -fsS {url} | {unpack} > {plain}\n  \
             oscap oval eval --report {plain}.html {plain} ;;\nesac\n",
            shell_word(file)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    #[test]
    fn each_format_has_its_lines() {
        let feed = |name: &str, path: &str, format| PublishedFeed {
            name: name.parse().unwrap(),
            path: path.parse().unwrap(),
            format,
            date: "2026-11-21T10:00:00Z".parse().ok(),
        };
        let feeds = vec![
            feed("debsecan", "bookworm", FeedFormat::Debsecan),
            feed("usn", "com.ubuntu.jammy.usn.oval.xml.bz2", FeedFormat::Oval),
            feed("osv", "osv-all.tar.xz", FeedFormat::Osv),
        ];
        let url = "http://gapferry.dc1.example".parse().unwrap();
        let text = feeds_script(&Facts { feeds, ..facts() }, &url).unwrap();
        for line in [
            "#   debsecan/bookworm (debsecan): 2026-11-21T10:00:00Z\n",
            "bookworm) printf 'SUITE=%s\\nSOURCE=%s\\n' bookworm http://gapferry.dc1.example/feeds/debsecan | debsecan --update-config ;;\n",
            "  curl -fsS http://gapferry.dc1.example/feeds/usn/com.ubuntu.jammy.usn.oval.xml.bz2 | bzip2 -d > com.ubuntu.jammy.usn.oval.xml\n",
            "  oscap oval eval --report com.ubuntu.jammy.usn.oval.xml.html com.ubuntu.jammy.usn.oval.xml ;;\n",
            "#   curl -fsSO http://gapferry.dc1.example/feeds/osv/osv-all.tar.xz\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(feeds_script(&facts(), &url).is_err());
    }
}
