//! `gapferry import`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::clock::ClockArgs;
use super::error::Failure;
use super::output::{Output, note, warn, warn_of_changes};
use super::push::{all_pushed, render};
use super::snap_roots::open_site;
use crate::bundle::STREAM_NAME;
use crate::bundle::approval_files;
use crate::bundle::names;
use crate::bundle::pieces;
use crate::bundle::{AlternateCopy, Damage};
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::progress::Progress;
use crate::site::{
    BundleSearch, ClockTrust, Generation, HeldBlobs, ImportOptions, Imported, InOrder, Rehearsed, ReviewedBundle, Site,
    bundle_folders, client_warnings, find, import_found, import_stream, rehearse_found,
};
use crate::trust::{Approval, Overrides, ReviewVerdict, SignedApproval, SignedTrustFile};
use crate::units::Bytes;

/// Check a bundle, unpack it, verify upstream's proofs, and publish it as the next generation
///
/// Clients see the new state from one moment to the next, or the old one. A run that was killed is finished by the same
/// command; a bundle that is here already gives the exit code 3. Nothing is written to the medium. Media can come in any
/// order: while volumes are missing, the exit code is 6, and they are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry import /media/usb --site /srv/gapferry\n  \
    gapferry import /media/stick-a /media/stick-b --site /srv/gapferry\n  \
    gapferry import /media/usb/dc1-base-000042 --site /srv/gapferry\n  \
    gapferry import /media/usb --reread --site /srv/gapferry\n  nc -l 4242 | gapferry import - --site /srv/gapferry")]
pub(super) struct ImportArgs {
    /// Media, whose bundles for this site are imported in order, or bundles' folders; `-` for a stream from
    /// `export --to -` or `copy BUNDLE -`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Accept a bundle after its expiry
    #[arg(long)]
    allow_expired: bool,
    /// Accept a sequence far above the last one
    #[arg(long)]
    allow_sequence_jump: bool,
    /// Accept upstream's metadata though newer was published before, or another image stream
    #[arg(long)]
    allow_older_upstream: bool,
    /// Accept images, and files that nobody signs, that have other bytes than before under the same name and version
    #[arg(long)]
    allow_changed_items: bool,
    #[command(flatten)]
    clock: ClockArgs,
    /// Read what the site holds of the bundle again, and replace from the medium what has changed on disk; also of a bundle that
    /// is here already, whose state is then published anew
    #[arg(long, conflicts_with = "dry_run")]
    reread: bool,
    /// Only check all that an import checks before it publishes: signature, policy, space, every byte, upstream's proofs and
    /// dates. Nothing is changed; space for what is read of snaps and images of other systems is used meanwhile
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(args: &ImportArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let mut site = open_site(&args.site)?;
    let allow = Overrides {
        expired: args.allow_expired,
        sequence_jump: args.allow_sequence_jump,
        older_upstream: args.allow_older_upstream,
        changed_items: args.allow_changed_items,
        far_clock: args.clock.trust() == ClockTrust::Given,
    };
    let held = if args.reread { HeldBlobs::Reread } else { HeldBlobs::Trusted };
    let options = ImportOptions { allow, held };
    if args.paths.iter().any(|path| path.as_os_str() == STREAM_NAME) {
        if args.dry_run || args.paths.len() > 1 {
            return Err(Failure::usage(
                "a stream comes alone, and is checked while it is imported: leave --dry-run away".to_owned(),
            ));
        }
        let mut versions = Vec::new();
        let taken = |new: &[SignedTrustFile]| versions = say_trust(new, "counts now");
        let last = import_stream(&site, Box::new(std::io::stdin()), options, taken, progress)?;
        return say(&InOrder { earlier: Vec::new(), last }, &versions, &site, out);
    }
    let (statements, mut paths) = split_statements(&args.paths)?;
    let folders = bundle_folders(&paths);
    let versions = match args.dry_run {
        true => say_trust(&site.assume_trust(&folders)?, "would count"),
        false => say_trust(&site.take_trust_of(&folders)?, "counts now"),
    };
    statements.iter().try_for_each(|signed| site.check_statement(signed))?;
    let all = statements.iter().cloned().chain(approval_files::carried(&folders)).collect();
    match args.dry_run {
        true => site.assume_approvals(all),
        false => site.take_approvals(all)?.iter().for_each(say_statement),
    }
    if !statements.is_empty() {
        paths.extend(approved(&site, &statements)?);
        if paths.is_empty() {
            let words = "no bundle waits for this; one that comes later counts it\n";
            out.done(json!({ "bundles": [], "statements": statements.len() }), words);
            return Ok(());
        }
    }
    let found = find(&site, &paths)?;
    found.notes.iter().for_each(|text| note(&format!("note: {text}")));
    if args.dry_run {
        return dry_run(&site, found, &versions, allow, out, progress);
    }
    let imported = import_found(&site, found, options, &|text| note(&format!("note: {text}")), progress)?;
    say(&imported, &versions, &site, out)
}

/// Splits the paths into the statements of reviewers and the others.
fn split_statements(paths: &[PathBuf]) -> Result<(Vec<SignedApproval>, Vec<PathBuf>), Failure> {
    let (mut statements, mut others) = (Vec::new(), Vec::new());
    for path in paths {
        match path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            true => statements.push(approval_files::read_file(path)?),
            false => others.push(path.clone()),
        }
    }
    Ok((statements, others))
}

fn say_statement(signed: &SignedApproval) {
    let Approval { person, decision, number, site, name, sequence, .. } = &signed.statement;
    let bundle = names::folder(site, name, *sequence);
    note(&format!("note: statement {number} of {person} on {bundle} is here: {decision}"));
}

/// Returns the folders of the waiting bundles that these statements are on, and that can be published now. Fails if there are only others.
fn approved(site: &Site, statements: &[SignedApproval]) -> Result<Vec<PathBuf>, Failure> {
    let mut waiting = site.reviewed_bundles()?;
    waiting.retain(|bundle| statements.iter().any(|signed| signed.statement.manifest == bundle.digest));
    let (approved, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|bundle| bundle.review.allows());
    match others.first() {
        Some(ReviewedBundle { bundle, review, .. }) if approved.is_empty() => {
            let class = match review.verdict {
                ReviewVerdict::Rejected => ErrorClass::Refused,
                _ => ErrorClass::ApprovalMissing,
            };
            Err(Fault::new(class, format!("{bundle} is not published: {review}")).into())
        }
        _ => Ok(approved.into_iter().map(|bundle| bundle.folder).collect()),
    }
}

/// Says which trust files the bundles have brought. Returns their versions.
fn say_trust(new: &[SignedTrustFile], counts: &str) -> Vec<u64> {
    for signed in new {
        let persons: Vec<String> = signed.signed_by(&signed.file).iter().map(ToString::to_string).collect();
        let (version, persons) = (signed.file.version, persons.join(", "));
        note(&format!("note: version {version} of the trust file {counts}, signed by {persons}"));
    }
    new.iter().map(|signed| signed.file.version).collect()
}

fn dry_run(
    site: &Site,
    found: BundleSearch,
    versions: &[u64],
    allow: Overrides,
    out: &Output,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut reviews = BTreeMap::new();
    for state in &found.bundles {
        let (bundle, review) = (state.manifest.folder(), site.review(state)?);
        if review.quorum.is_some() {
            note(&format!("note: {bundle}: {review}"));
        }
        reviews.insert(bundle, review);
    }
    let all = rehearse_found(site, found, allow, &|text| note(&format!("note: {text}")), progress)?;
    let names: Vec<&String> = all.iter().map(|bundle| &bundle.bundle).collect();
    let repaired: Vec<_> = all.iter().flat_map(|bundle| &bundle.repaired).cloned().collect();
    say_repaired(&repaired);
    let last = &all.last;
    say_notes(&last.generation);
    let way_out = "What is published stays as it is until the bundle is imported";
    let warnings = client_warnings(&site.config.serve, &all.first().before, &last.generation, way_out);
    warn(&warnings);
    let changed: Vec<_> = all.iter().flat_map(|bundle| &bundle.changed_items).cloned().collect();
    warn_of_changes(&changed);
    let value = json!({
        "bundle": last.bundle, "bundles": names, "repaired": repaired, "dry_run": true, "checked": last.checked,
        "needed": last.needed, "free": last.free, "unsigned": all.iter().map(|bundle| bundle.unsigned).sum::<u64>(),
        "not_built": last.not_built, "warnings": warnings, "changed_items": changed,
        "trust_files": versions, "reviews": reviews,
    });
    out.done(value, &all.iter().map(can_be_imported).collect::<String>());
    Ok(())
}

/// Says what was checked of a bundle, and what only the import itself can show.
fn can_be_imported(bundle: &Rehearsed) -> String {
    let checked: Vec<&str> = bundle.checked.iter().map(|check| check.message()).collect();
    let (needed, free) = (Bytes(bundle.needed), Bytes(bundle.free));
    let mut text = format!("{} can be imported; checked: {}\n", bundle.bundle, checked.join(", "));
    text += &format!("  needs at most {needed}, {free} are free\n");
    if bundle.unsigned > 0 {
        text += &format!("  {} items WITHOUT UPSTREAM PROOF, which the site's policy allows\n", bundle.unsigned);
    }
    for collection in &bundle.not_built {
        text += &format!("  not checked: reprepro, which publishes {collection}, was not run\n");
    }
    text
}

/// Says what was imported; the last one is what is published now.
fn say(all: &InOrder<Imported>, versions: &[u64], site: &Site, out: &Output) -> Result<(), Failure> {
    let imported = &all.last;
    let number = imported.generation.number;
    if !imported.pushes.failed.is_empty() {
        note(&format!("{} is published as generation {number}", imported.bundle));
    }
    say_notes(&imported.generation);
    let before = &all.first().before;
    let way_out =
        format!("`{}` publishes the state before again", next_command::rollback_to(site.root(), before.number));
    let warnings = client_warnings(&site.config.serve, before, &imported.generation, &way_out);
    warn(&warnings);
    let changed: Vec<_> = all.iter().flat_map(|one| &one.changed_items).cloned().collect();
    warn_of_changes(&changed);
    let forks: Vec<&String> = all.iter().filter_map(|one| one.fork.as_ref()).collect();
    forks.iter().for_each(|fork| note(&format!("warning: {fork}")));
    let repaired: Vec<_> = all.iter().flat_map(|one| &one.repaired).cloned().collect();
    say_repaired(&repaired);
    let healed: u64 = all.iter().map(|one| one.healed).sum();
    if healed > 0 {
        note(&format!(
            "note: {healed} blobs that the site held were wrong or missing, and were read from the medium again"
        ));
    }
    all_pushed(&imported.pushes, site.root())?;
    out.done(
        json!({
            "bundle": imported.bundle, "bundles": all.iter().map(|one| &one.bundle).collect::<Vec<_>>(), "generation": number, "items": imported.items, "bytes": imported.bytes,
            "published": imported.generation.published.keys().collect::<Vec<_>>(), "dry_run": false,
            "repaired": repaired, "healed": healed, "pushed": imported.pushes.pushed, "warnings": warnings,
            "changed_items": changed, "forks": forks, "trust_files": versions,
        }),
        &format!(
            "{} is published as generation {number}: {} items, {}\n{}",
            imported.bundle,
            imported.items,
            Bytes(imported.bytes),
            render(&imported.pushes)
        ),
    );
    Ok(())
}

/// Says what is to be known of each published collection.
fn say_notes(generation: &Generation) {
    for (name, published) in &generation.published {
        published.notes.iter().for_each(|text| note(&format!("note: {name}: {text}")));
    }
}

fn say_repaired(repaired: &[Damage]) {
    let mut media: BTreeMap<Option<&AlternateCopy>, Vec<Damage>> = BTreeMap::new();
    repaired.iter().for_each(|piece| media.entry(piece.instead.as_ref()).or_default().push(piece.clone()));
    for (instead, damage) in media {
        let (bad, how) = match instead {
            None => ("the medium".to_owned(), "recovery data have repaired it"),
            Some(instead) => (instead.bad.display().to_string(), "it was read from another one"),
        };
        note(&format!("note: {bad} is damaged, and {how}: {}; replace the medium", pieces(&damage)));
    }
}
