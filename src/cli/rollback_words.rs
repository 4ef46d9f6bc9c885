//! The plan of a rollback, for people and for programs.

use std::path::Path;

use serde_json::{Value, json};

use crate::error_class::causes;
use crate::next_command;
use crate::review::{VersionChange, VersionChanges};
use crate::site::{CollectionPlan, NamePlan, PlannedChange, RollbackPlan, StateSummary};
use crate::terminal::safe;
use crate::time::Time;

/// The most changed items of a collection that people are shown.
const MAX_SHOWN: usize = 20;

/// The plan as programs get it.
pub(super) fn value(plan: &RollbackPlan) -> Value {
    let refusals: Vec<Value> =
        plan.refusals.iter().map(|error| json!({ "class": error.class().word(), "causes": causes(error) })).collect();
    let keep_newer = plan.collections.iter().filter(|plan| plan.clients_keep_newer).map(|plan| &plan.collection);
    json!({
        "dry_run": true, "generation": plan.after.as_ref().map(|after| after.number), "before": plan.before.number,
        "names": plan.names, "collections": plan.collections, "unchanged": plan.unchanged, "refusals": refusals,
        "clients_keep_newer": keep_newer.collect::<Vec<_>>(),
    })
}

/// The plan as people read it.
pub(super) fn words(site: &Path, plan: &RollbackPlan) -> String {
    let mut text = match &plan.after {
        Some(after) if plan.refusals.is_empty() => format!("generation {} would be published:\n", after.number),
        _ => "this is refused, and would change:\n".to_owned(),
    };
    plan.names.iter().for_each(|name| text += &name_words(name));
    for collection in &plan.collections {
        text += &collection_words(collection);
        text += &clients_of(site, plan.before.number, collection);
    }
    if !plan.unchanged.is_empty() {
        let unchanged: Vec<&str> = plan.unchanged.iter().map(String::as_str).collect();
        text += &format!("  as they are: {}\n", unchanged.join(", "));
    }
    for error in &plan.refusals {
        text += &format!("  REFUSED: {}\n", safe(&causes(error).join(": ")));
    }
    text
}

fn name_words(plan: &NamePlan) -> String {
    let NamePlan { name, generation, from, to } = plan;
    match (from, to) {
        (from, to) if from == to => format!("  {name}: stays {}\n", state_words(to.as_ref())),
        (from, to) => format!(
            "  {name}: from {} to {} of generation {generation}\n",
            state_words(from.as_ref()),
            state_words(to.as_ref())
        ),
    }
}

fn state_words(state: Option<&StateSummary>) -> String {
    let Some(StateSummary { bundle, sequence, created, expires }) = state else { return "nothing".to_owned() };
    let expired = if *expires <= Time::now() { format!(", EXPIRED at {expires}") } else { String::new() };
    format!("{bundle} (sequence {sequence}, made {created}{expired})")
}

fn collection_words(plan: &CollectionPlan) -> String {
    let CollectionPlan { collection, change, files_before, files_after, versions, damaged_files, .. } = plan;
    let files = |number: &u64| count(*number, "file", "files");
    let mut text = match change {
        PlannedChange::Appears => format!("  {collection}: comes back, with {}\n", files(files_after)),
        PlannedChange::Disappears => format!("  {collection}: goes, with {}\n", files(files_before)),
        PlannedChange::Changes if files_before == files_after => format!("  {collection}: {}\n", files(files_after)),
        PlannedChange::Changes => format!("  {collection}: {} instead of {files_before}\n", files(files_after)),
    };
    if let Some(VersionChanges { changed, changes }) = versions {
        changes.iter().take(MAX_SHOWN).for_each(|change| text += &item_words(change));
        match changed.saturating_sub(MAX_SHOWN as u64) {
            0 if *changed == 0 => text += "    no version changes\n",
            0 => {}
            more => text += &format!("    and {more} more of {changed}; --json lists the first 1000\n"),
        }
    }
    if *damaged_files > 0 {
        text += &format!("    DAMAGED: {} found to have changed on disk\n", files(damaged_files));
    }
    text
}

fn item_words(change: &VersionChange) -> String {
    let versions = |of: &[String]| match of {
        [] => "nothing".to_owned(),
        of => of.join(" and "),
    };
    let architecture = change.architecture.iter().map(|name| format!(" ({name})")).collect::<String>();
    let bytes = if change.before == change.after { ", with other bytes" } else { "" };
    let text = format!(
        "{}{architecture}: from {} to {}{bytes} ({})",
        change.name,
        versions(&change.before),
        versions(&change.after),
        change.reason
    );
    format!("    {}\n", safe(&text))
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Says what clients of the current generation still find, and what they keep.
fn clients_of(site: &Path, before: u64, plan: &CollectionPlan) -> String {
    let mut text = String::new();
    let served = plan.still_served;
    if (served.indexes, served.files) != (0, 0) {
        text += &format!(
            "    clients that read generation {before} still find what this takes away, until `{}` removes that generation: {} \
             and {}\n",
            next_command::gc(site),
            count(served.indexes, "index", "indexes"),
            count(served.files, "other file", "other files")
        );
    }
    if plan.clients_keep_newer {
        text += "    published verbatim: clients that saw newer metadata keep it until upstream's is newer still\n";
    }
    text
}
