//! `gapferry status`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::collection::Publish;
use crate::kind::ClientProgram;
use crate::label::Label;
use crate::next_command::{self, ShellCommand};
use crate::site::{Site, Status, Unanswered, UnansweredAddress, WaitingBundle, answering, status};
use crate::terminal::safe;
use crate::time::Time;
use crate::trust::ReviewVerdict;

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// Show what a site publishes, from which bundles, and what it waits for
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry status --site /srv/gapferry\n  gapferry status --site /srv/gapferry --json"
)]
pub(super) struct StatusArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
}

pub(super) fn run(args: &StatusArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let status = status(&site)?;
    let generations: Vec<_> =
        status.generations.iter().map(|(number, reason)| json!({ "number": number, "reason": reason })).collect();
    let by_reprepro = status.current.published.iter().filter(|(_, published)| published.publish == Publish::Reprepro);
    let bases: BTreeMap<_, _> = by_reprepro.map(|(name, published)| (name, published.reprepro_base(&site))).collect();
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (address, folder) in answering(&status.current, &site.config.serve) {
        answers.entry(address.to_string()).or_default().push(folder);
    }
    let value = json!({
        "site": site.config.name, "key": status.key, "rotation": status.rotation, "future_date": status.future.map(|future| future.date),
        "generation": status.current.number, "made": status.current.made,
        "reason": status.current.reason, "names": status.current.names, "published": status.current.published,
        "generations": generations, "waiting": status.waiting, "refused": status.refused, "bad_blobs": status.bad_blobs,
        "answers": answers, "unanswered": status.unanswered, "hidden": status.hidden, "audit_records": status.audit_records, "reprepro": bases,
    });
    out.done(value, &render(&site, &status));
    Ok(())
}

fn render(site: &Site, status: &Status) -> String {
    let current = &status.current;
    let import = next_command::import_here(site.root());
    let key = status.key.as_deref().unwrap_or("a key that this user may not read");
    let mut text = format!("site {}, signing with {key}\n", site.config.name);
    if let Some(rotation) = &status.rotation {
        text += &format!("the key {} replaces it: both sign until {}\n", rotation.new, rotation.until);
    }
    if let Some(future) = &status.future {
        let redate = next_command::redate(site.root());
        text += &format!(
            "WRONG CLOCK: the site is dated {}, and the clock says {}; if the clock is right now, run `{redate}`\n",
            future.date, future.now
        );
    }
    match current.number {
        0 => text += &format!("nothing is published yet: in the folder of a medium, run `{import}`\n"),
        number => text += &format!("generation {number} of {}: {}\n", current.made, current.reason),
    }
    for (name, state) in &current.names {
        if state.manifest.is_none() {
            text += &format!("  {name}: nothing, since a rollback; newest accepted sequence {}\n", state.sequence);
            continue;
        }
        let expired = if state.expires <= Time::now() { "  EXPIRED" } else { "" };
        let emergency = match state.review.map(|review| review.verdict) {
            Some(ReviewVerdict::Emergency) => "  APPROVED IN AN EMERGENCY, without the reviewers",
            _ => "",
        };
        text += &format!(
            "  {name}: {}, newest accepted sequence {}, valid until {}{expired}{emergency}\n",
            state.bundle, state.sequence, state.expires
        );
    }
    for (folder, published) in &current.published {
        text += &format!(
            "  {folder}: {} items from {}, {}\n",
            published.items,
            safe(published.origin.as_str()),
            published.publish
        );
        if published.publish == Publish::Reprepro {
            text += &format!("    base folder {}\n", published.reprepro_base(site).display());
        }
        let answers: Vec<String> = answering(current, &site.config.serve)
            .into_iter()
            .filter(|(_, of)| of == folder)
            .map(|(address, _)| address.to_string())
            .collect();
        if !answers.is_empty() {
            text += &format!("    answers for {}\n", safe(&answers.join(", ")));
        }
        if published.kind.client() == ClientProgram::Scanner {
            text += &format!("    {}\n", data_age(published.oldest_data, Time::now()));
        }
        for note in &published.notes {
            text += &format!("    note: {}\n", safe(note));
        }
        if published.unsigned > 0 {
            text += &format!("    {} items WITHOUT UPSTREAM PROOF\n", published.unsigned);
        }
        if published.not_carried > 0 {
            let examples = published.not_carried_examples.join(", ");
            text += &format!(
                "    {} files that upstream's metadata names are not carried, such as {examples}\n",
                published.not_carried
            );
        }
        for missing in &published.missing_indexes {
            text += &format!("    {}\n", safe(&missing.to_string()));
        }
        if let Some(until) = published.valid_until {
            let past = if until <= Time::now() { "clients refuse it since" } else { "clients refuse it from" };
            text += &format!("    upstream's metadata: {past} {until} on, unless they set Check-Valid-Until: no\n");
        }
    }
    text += &unanswered(&status.unanswered);
    for (number, reason) in &status.generations {
        text += &format!("  {} {number}: {reason}\n", if *number == current.number { "*" } else { " " });
    }
    status.waiting.iter().for_each(|bundle| text += &waiting(bundle, &import));
    for refused in &status.refused {
        text += &format!("refused: {}: {}\n", safe(&refused.bundle), safe(&refused.reason));
    }
    if status.bad_blobs > 0 {
        let heal = next_command::heal_here(site.root());
        text += &format!(
            "bad: {} blobs have changed on disk, or are gone: in the folder of a medium, run `{heal}`\n",
            status.bad_blobs
        );
    }
    if !status.hidden.contains(&"audit.jsonl") {
        text += &format!("audit log: {} records, chain intact\n", status.audit_records);
    }
    if !status.hidden.is_empty() {
        text += &format!("not shown, since this user may not read it: {}\n", status.hidden.join(", "));
    }
    text
}

/// Says how old security data is.
fn data_age(date: Option<Time>, now: Time) -> String {
    let Some(date) = date else { return "its data has no date".to_owned() };
    match (now.unix() - date.unix()).div_euclid(DAY_S) {
        1 => format!("its oldest data is of {date}, 1 day ago"),
        days if days < 0 => format!("its oldest data is of {date}, which is IN THE FUTURE"),
        days => format!("its oldest data is of {date}, {days} days ago"),
    }
}

/// Says what the import of a bundle waits for.
fn waiting(waiting: &WaitingBundle, import: &ShellCommand) -> String {
    let (bundle, what) = (safe(&waiting.bundle), waiting.waits_for());
    let what = safe(&what);
    match waiting.review.is_some() {
        true => format!("{bundle} is waiting for {what}\n"),
        false => format!("{bundle} is waiting for {what}: in the folder of each medium, run `{import}`\n"),
    }
}

/// Lists collections, suites and addresses that earlier generations had and this one lacks.
fn unanswered(unanswered: &Unanswered) -> String {
    let mut text = String::new();
    for folder in &unanswered.collections {
        text += &format!("  {folder}: no longer published: its clients are answered 404\n");
    }
    for suite in &unanswered.suites {
        text += &format!("  {}: no longer published: its clients are answered 404\n", safe(suite));
    }
    for UnansweredAddress { address, sources } in &unanswered.addresses {
        let sources: Vec<&str> = sources.iter().map(Label::as_str).collect();
        text += &format!(
            "  nothing answers for {} any more, which belongs to the source {}\n",
            safe(&address.to_string()),
            sources.join(", ")
        );
    }
    text
}
