//! The part of the page that says which collection answers for which address of an upstream.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::html::table;
use crate::address::RoutingTable;
use crate::site::{Generation, Unanswered};

/// The answers for the addresses of upstreams, and those that are missing.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// The collections that answer for each address.
    pub(crate) routes: &'a RoutingTable,
    /// Collections, suites and addresses that older generations had and this one lacks.
    pub(crate) unanswered: &'a Unanswered,
}

static NOTHING: LazyLock<(RoutingTable, Unanswered)> = LazyLock::new(Default::default);

impl Default for Answers<'_> {
    fn default() -> Self {
        Self { routes: &NOTHING.0, unanswered: &NOTHING.1 }
    }
}

/// Returns a table of all addresses with what answers for each, and what is gone.
pub(super) fn answers(generation: &Generation, answers: Answers<'_>) -> String {
    let (mut rows, mut answering) = (Vec::new(), BTreeSet::new());
    for (host, routes) in answers.routes.hosts() {
        for same in routes.chunk_by(|one, other| one.prefix == other.prefix) {
            let folders: Vec<&str> = same.iter().map(|route| route.folder.as_str()).collect();
            let note = if folders.len() > 1 { "they answer together" } else { "" };
            rows.push(vec![format!("{host}{}", same[0].prefix), folders.join(", "), note.to_owned()]);
            answering.extend(folders);
        }
    }
    for address in &answers.unanswered.addresses {
        let sources: Vec<&str> = address.sources.iter().map(|source| source.as_str()).collect();
        let note = format!("NOT ANSWERED: it belongs to the source {}", sources.join(", "));
        rows.push(vec![address.address.to_string(), String::new(), note]);
    }
    let mut text = table("Addresses of upstreams", &["address", "answered by", "note"], rows.into_iter());
    let gone = answers.unanswered.collections.iter().chain(&answers.unanswered.suites);
    let gone =
        gone.map(|path| vec![format!("/{path}/"), "NO LONGER PUBLISHED: its clients are answered 404".to_owned()]);
    text += &table("What is gone", &["path", "note"], gone);
    let by_path = generation.published.keys().filter(|folder| !answering.contains(folder.as_str()));
    let by_path: Vec<String> = by_path.cloned().collect();
    match (text.is_empty(), by_path.is_empty()) {
        (true, _) => text,
        (false, true) => format!("<h2>Who answers for what</h2>\n{text}"),
        (false, false) => {
            let by_path = crate::html::HtmlText(&by_path.join(", ")).to_string();
            format!("<h2>Who answers for what</h2>\n{text}<p>Under this site’s own name alone: {by_path}.</p>\n")
        }
    }
}
