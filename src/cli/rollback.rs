//! `gapferry rollback`.

use std::path::PathBuf;

use serde_json::json;

use super::clock::ClockArgs;
use super::error::Failure;
use super::output::{Output, note, warn};
use super::snap_roots::open_site;
use crate::collection::Publish;
use crate::next_command;
use crate::progress::Progress;
use crate::site::{Published, client_warnings, rollback};

/// Publish an older state again, as a new generation
///
/// Without N it is the generation before the current one. Metadata that the site signs gets a new date, so that apt takes it;
/// where upstream's own metadata is published, clients that saw the newer one keep it, and this command says so.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry rollback --site /srv/gapferry\n  gapferry rollback 41 --site /srv/gapferry"
)]
pub(super) struct RollbackArgs {
    /// The generation whose content comes back
    #[arg(value_name = "N")]
    number: Option<u64>,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    #[command(flatten)]
    clock: ClockArgs,
}

pub(super) fn run(args: &RollbackArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let before = site.current()?;
    let generation = rollback(&site, args.number, args.clock.trust(), progress)?;
    let way_out = format!("`{}` undoes this", next_command::rollback_to(site.root(), before.number));
    let warnings = client_warnings(&site.config.serve, &before, &generation, &way_out);
    warn(&warnings);
    for (name, published) in &generation.published {
        published.notes.iter().for_each(|text| note(&format!("note: {name}: {text}")));
    }
    let keeps = |published: &Published| published.publish == Publish::Verbatim && published.kind.ignores_older();
    let verbatim = generation.published.iter().filter(|(_, published)| keeps(published));
    let verbatim: Vec<&String> = verbatim.map(|(name, _)| name).collect();
    for name in &verbatim {
        note(&format!(
            "{name} is published verbatim: clients that saw newer metadata keep it until upstream's is newer still"
        ));
    }
    out.done(
        json!({ "generation": generation.number, "reason": generation.reason, "clients_keep_newer": verbatim, "warnings": warnings }),
        &format!("generation {} is published: {}\n", generation.number, generation.reason),
    );
    Ok(())
}
