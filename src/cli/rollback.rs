//! `gapferry rollback`.

use std::path::PathBuf;

use serde_json::json;

use super::clock::ClockArgs;
use super::error::Failure;
use super::output::{Output, note, warn};
use super::rollback_words;
use super::snap_roots::open_site;
use crate::collection::Publish;
use crate::label::Label;
use crate::next_command;
use crate::progress::Progress;
use crate::site::{ClockTrust, Published, RollbackTarget, Site, client_warnings, plan_rollback, rollback};

/// Publish an older state again, as a new generation
///
/// Without N it is the generation before the current one. With --name only the states of these bundles come back, and all others
/// stay as they are; without N each gets the last other state that it had. Metadata that the site signs gets a new date, so that
/// apt takes it; where upstream's own metadata is published, clients that saw the newer one keep it, and this command says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry rollback --dry-run --site /srv/gapferry\n  \
    gapferry rollback --site /srv/gapferry\n  gapferry rollback 41 --site /srv/gapferry\n  \
    gapferry rollback 41 --name images --site /srv/gapferry")]
pub(super) struct RollbackArgs {
    /// The generation whose content comes back
    #[arg(value_name = "N")]
    generation: Option<u64>,
    /// Bring back the state of this bundle name alone; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<Label>,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    #[command(flatten)]
    clock: ClockArgs,
    /// Only say what clients would see, which versions change, and what would be refused. Nothing is changed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(args: &RollbackArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let target = RollbackTarget { generation: args.generation, names: args.names.iter().cloned().collect() };
    if args.dry_run {
        return dry_run(&site, &target, args.clock.trust(), out, progress);
    }
    let before = site.current()?;
    let generation = rollback(&site, target, args.clock.trust(), progress)?;
    let way_out = format!("`{}` undoes this", next_command::rollback_to(site.root(), before.number));
    let warnings = client_warnings(&site.config.serve, &before, &generation, &way_out);
    warn(&warnings);
    for (name, published) in &generation.published {
        published.notes.iter().for_each(|text| note(&format!("note: {name}: {text}")));
    }
    let is_changed = |folder: &String| before.inputs.get(folder) != generation.inputs.get(folder);
    let keeps = |published: &Published| published.publish == Publish::Verbatim && published.kind.ignores_older();
    let verbatim = generation.published.iter().filter(|(name, published)| keeps(published) && is_changed(name));
    let verbatim: Vec<&String> = verbatim.map(|(name, _)| name).collect();
    for name in &verbatim {
        note(&format!(
            "{name} is published verbatim: clients that saw newer metadata keep it until upstream's is newer still"
        ));
    }
    out.done(
        json!({
            "dry_run": false, "generation": generation.number, "reason": generation.reason, "clients_keep_newer": verbatim,
            "warnings": warnings,
        }),
        &format!("generation {} is published: {}\n", generation.number, generation.reason),
    );
    Ok(())
}

/// Says what the rollback would change, and fails with the first reason to refuse it.
fn dry_run(
    site: &Site,
    target: &RollbackTarget,
    clock: ClockTrust,
    out: &Output,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut plan = plan_rollback(site, target, clock, progress)?;
    let way_out = "What is published stays as it is until the rollback";
    let warned = |after| client_warnings(&site.config.serve, &plan.before, after, way_out);
    let warnings = plan.after.as_ref().map(warned).unwrap_or_default();
    warn(&warnings);
    let (mut value, words) = (rollback_words::value(&plan), rollback_words::words(site.root(), &plan));
    value["warnings"] = json!(warnings);
    if plan.refusals.is_empty() {
        out.done(value, &words);
        return Ok(());
    }
    out.text(&words);
    let source = Box::new(plan.refusals.swap_remove(0));
    Err(Failure::RollbackRefused { source, plan: Box::new(value) })
}
