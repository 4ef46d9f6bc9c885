//! The page itself.

use std::fmt::Write as _;
use std::path::Path;

use super::answers::{Answers, answers};
use super::html::table;
use super::overview::Overview;
use crate::html::HtmlText;
use crate::kind::ClientProgram;
use crate::next_command::{self, USUAL_SITE};
use crate::site::{Generation, NameState, Published, WaitingBundle};
use crate::time::Time;
use crate::trust::ReviewVerdict;

/// The most items that a search shows.
const MOST: usize = 200;
/// Days before its expiry from which on a bundle is said to expire soon.
const SOON_DAYS: i64 = 14;
const DAY_S: i64 = 24 * 3600;

pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem}
h1{margin:0}
h2{margin-top:2rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
caption{text-align:left;font-weight:bold;padding:.5rem 0}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid GrayText;vertical-align:top}
pre{overflow-x:auto;border:1px solid GrayText;padding:.5rem}
input,button{font:inherit;padding:.25rem .5rem}
strong.bad{border:2px solid;padding:0 .25rem}
a:focus,input:focus,button:focus,div:focus{outline:3px solid Highlight;outline-offset:2px}
";

/// What the page is asked for.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// What is searched for; empty for no search.
    pub words: String,
    /// Scheme and host under which the client has reached us, such as `http://gapferry.dc1.example`.
    pub base: String,
    /// The site's name.
    pub site: String,
    /// The clock.
    pub now: Time,
}

/// The page about a generation.
pub fn page(
    generation: &Generation,
    overview: &Overview,
    waiting: &[WaitingBundle],
    who: Answers<'_>,
    query: &PageQuery,
) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>gapferry {site}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><h1>{site}</h1>\n<p>{state}</p></header>\n<main>\n",
        site = HtmlText(&query.site),
        state = HtmlText(&state(generation, query.now)),
    );
    page += &bundles(generation, query.now);
    page += &unfinished(waiting);
    page += &search(overview, query);
    page += &published(generation, query.now);
    page += &answers(generation, who);
    page += &clients(generation, overview, query);
    page += "</main>\n<footer><p>State for programs: <a href=\"/healthz\">healthz</a>, <a href=\"/metrics\">metrics</a>.</p></footer>\n</body>\n</html>\n";
    page
}

fn state(generation: &Generation, now: Time) -> String {
    match generation.number {
        0 => "Nothing has been imported yet.".to_owned(),
        number => format!(
            "Generation {number}, made {} ({}) by {}.",
            generation.made,
            age(now.unix() - generation.made.unix()),
            generation.reason
        ),
    }
}

/// How long ago, in the largest unit that fits.
fn age(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..DAY_S => (seconds / 3600, "hour"),
        _ => (seconds / DAY_S, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

fn bundles(generation: &Generation, now: Time) -> String {
    let names = generation.names.iter().filter(|(_, state)| state.manifest.is_some());
    let rows = names.clone().map(|(name, state)| {
        let left = (state.expires.unix() - now.unix()).div_euclid(DAY_S);
        let note = match left {
            ..0 => "EXPIRED: bring a new bundle across".to_owned(),
            0..SOON_DAYS => format!("expires soon, in {left} days"),
            _ => format!("in {left} days"),
        };
        let review = state.review.as_ref().map_or("nobody was asked", |review| review_words(review.verdict));
        vec![name.to_string(), state.bundle.clone(), state.expires.to_string(), note, review.to_owned()]
    });
    let mut text = String::new();
    let is_emergency = |state: &NameState| state.review.is_some_and(|r| r.verdict == ReviewVerdict::Emergency);
    if names.clone().any(|(_, state)| is_emergency(state)) {
        text += "<p role=\"alert\"><strong class=\"bad\">A bundle was approved in an emergency.</strong></p>\n";
    }
    if names.clone().any(|(_, state)| state.expires.unix() < now.unix()) {
        text += "<p role=\"alert\"><strong class=\"bad\">A bundle has expired.</strong></p>\n";
    }
    text + "<h2>Bundles</h2>\n"
        + &table("Imported bundles", &["name", "bundle", "expires", "time left", "review"], rows)
}

/// Says by whom a published bundle was approved.
fn review_words(verdict: ReviewVerdict) -> &'static str {
    match verdict {
        ReviewVerdict::Approved => "approved by the quorum of reviewers",
        ReviewVerdict::Emergency => "approved in an EMERGENCY, without the quorum of reviewers",
        ReviewVerdict::NotAsked | ReviewVerdict::Waiting | ReviewVerdict::Rejected => "nobody was asked",
    }
}

/// The bundles whose imports are not finished, with what they wait for.
fn unfinished(waiting: &[WaitingBundle]) -> String {
    let rows = waiting.iter().map(|bundle| vec![bundle.bundle.clone(), bundle.waits_for()]);
    let table = table("Unfinished imports", &["bundle", "waits for"], rows);
    if table.is_empty() { table } else { format!("<h2>Waiting</h2>\n{table}") }
}

/// What is said of items that upstream does not vouch for.
const UNSIGNED: &str = "without upstream’s signature";

fn search(overview: &Overview, query: &PageQuery) -> String {
    let mut text = format!(
        "<h2 id=\"search\">Search</h2>\n<form action=\"/\" method=\"get\" role=\"search\">\n\
         <label for=\"q\">Package, image or snap</label>\n<input id=\"q\" name=\"q\" type=\"search\" value=\"{}\">\n\
         <button type=\"submit\">Search</button>\n</form>\n",
        HtmlText(&query.words)
    );
    if query.words.trim().is_empty() {
        return text;
    }
    let (found, count) = overview.search(&query.words, MOST);
    let _ = match count {
        0 => writeln!(text, "<p role=\"status\">Nothing has “{}” in its name.</p>", HtmlText(&query.words)),
        _ if count > found.len() => {
            writeln!(text, "<p role=\"status\">{count} items; the first {} of them are shown.</p>", found.len())
        }
        1 => writeln!(text, "<p role=\"status\">1 item.</p>"),
        _ => writeln!(text, "<p role=\"status\">{count} items.</p>"),
    };
    let rows = found.into_iter().map(|row| {
        let folder = overview.folders.get(row.folder).cloned().unwrap_or_default();
        let note = if row.unsigned { UNSIGNED } else { "" }.to_owned();
        vec![row.name.clone(), row.version.clone(), row.architecture.clone(), row.listed_in.clone(), folder, note]
    });
    text + &table("Found", &["name", "version", "architecture", "listed in", "published as", "note"], rows)
}

fn published(generation: &Generation, now: Time) -> String {
    let rows = generation.published.values().map(|published| {
        let mut notes = Vec::new();
        if published.unsigned > 0 {
            notes.push(format!("{} {UNSIGNED}", published.unsigned));
        }
        if published.kind.client() == ClientProgram::Scanner {
            notes.push(data_age(published.oldest_data, now));
        }
        let note = notes.join("; ");
        let how = published.publish.to_string();
        vec![published.folder(), published.origin.to_string(), how, published.items.to_string(), note]
    });
    let heads = ["published as", "upstream", "how", "items", "note"];
    format!("<h2>What is published</h2>\n{}", table("Collections", &heads, rows))
}

/// Says how old security data is.
fn data_age(date: Option<Time>, now: Time) -> String {
    match date {
        None => "its data has no date".to_owned(),
        Some(date) => format!("oldest data of {date}, {}", age(now.unix() - date.unix())),
    }
}

fn clients(generation: &Generation, overview: &Overview, query: &PageQuery) -> String {
    let mut text = "<h2>Pointing clients here</h2>\n".to_owned();
    let _ = writeln!(
        text,
        "<p>What is re-indexed is signed with the key {}: <a href=\"/keys/site.gpg\">site.gpg</a>, \
         <a href=\"/keys/site.asc\">site.asc</a>.</p>",
        overview.key.iter().map(|key| format!("<code>{}</code>", HtmlText(key))).collect::<Vec<_>>().join(", ")
    );
    for published in generation.published.values() {
        let lines = lines_for(published, overview, query);
        if !lines.is_empty() {
            let _ = writeln!(text, "<h3>{}</h3>\n<pre>{}</pre>", HtmlText(&published.folder()), preformatted(&lines));
        }
    }
    text
}

/// What a client of this collection is told.
fn lines_for(published: &Published, overview: &Overview, query: &PageQuery) -> Vec<String> {
    let url = format!("{}/{}", query.base, published.folder());
    match published.kind.client() {
        ClientProgram::Apt => {
            let suites = overview.suites.get(&published.folder()).into_iter().flatten();
            let key = format!("/usr/share/keyrings/{}.gpg", query.site);
            let line = |(suite, components): (&String, &std::collections::BTreeSet<String>)| {
                let components: Vec<&str> = components.iter().map(String::as_str).collect();
                format!("deb [signed-by={key}] {url} {suite} {}", components.join(" ")).trim_end().to_owned()
            };
            suites.map(line).collect()
        }
        ClientProgram::MaasStream => vec![format!("maas admin boot-sources create url={url} keyring_data@=site.gpg")],
        ClientProgram::Snapd => vec![
            "# /etc/systemd/system/snapd.service.d/gapferry.conf".to_owned(),
            "[Service]".to_owned(),
            format!("Environment=SNAPPY_FORCE_API_URL={}", query.base),
        ],
        // Images that are uploaded need more than an address.
        ClientProgram::MaasUploads => vec![
            "# on the host of MAAS and of this site, with the API key of an administrator in maas.key".to_owned(),
            next_command::maas_apply(Path::new(USUAL_SITE), &query.base).to_string(),
        ],
        // One line fits all formats: debsecan takes the folder and adds the suite.
        ClientProgram::Scanner => vec![
            format!("curl -O {url}/FILE"),
            format!("debsecan --source {url} --suite SUITE    # if the data is for debsecan"),
        ],
        ClientProgram::Download => vec![format!("curl -O {url}/FILE")],
        ClientProgram::Nothing => Vec::new(),
        ClientProgram::Dnf => vec![
            format!("# /etc/yum.repos.d/{}-{}.repo", query.site, published.name),
            format!("[{}-{}]", query.site, published.name),
            format!("name={}", published.name),
            format!("baseurl={url}"),
            "gpgcheck=1".to_owned(),
            "repo_gpgcheck=1".to_owned(),
            format!("gpgkey={0}/keys/site.asc {0}/keys/{1}.asc", query.base, published.folder()),
        ],
    }
}

/// The lines, each escaped.
fn preformatted(lines: &[String]) -> String {
    lines.iter().map(|line| HtmlText(line).to_string()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::status::Row;

    fn overview() -> Overview {
        let row = |name: &str| Row {
            name: name.into(),
            version: "1".into(),
            architecture: "amd64".into(),
            listed_in: "noble/main".into(),
            folder: 0,
            unsigned: name == "nginx",
        };
        Overview { folders: vec!["apt/<b>".into()], rows: vec![row("<script>"), row("nginx")], ..Overview::default() }
    }

    #[test]
    fn nothing_of_an_upstream_becomes_a_tag() {
        let hostile = WaitingBundle {
            bundle: "<i>dc1".into(),
            volumes: vec!["<i>volume".into()],
            first: Vec::new(),
            review: None,
        };
        let query = PageQuery { words: "<script>\"'".into(), site: "<i>".into(), ..PageQuery::default() };
        let page = page(&Generation::none(), &overview(), &[hostile], Answers::default(), &query);
        assert!(!page.contains("<script") && !page.contains("<i>") && page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn ages_are_in_words() {
        let said = [5, 60, 7200, 86_400 * 3].map(age);
        assert_eq!(said, ["just now", "1 minute ago", "2 hours ago", "3 days ago"]);
    }

    #[test]
    fn a_search_says_how_much_there_is() {
        let found = |words: &str| {
            page(
                &Generation::none(),
                &overview(),
                &[],
                Answers::default(),
                &PageQuery { words: words.into(), ..PageQuery::default() },
            )
        };
        assert!(found("nginx").contains("1 item.") && found("nginx").contains(UNSIGNED));
        assert!(!found("script").contains(UNSIGNED));
        assert!(found("nothing").contains("Nothing has “nothing” in its name."));
        assert!(!found(" ").contains("role=\"status\""));
    }
}
