//! `gapferry approve` and `gapferry reject`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::{Output, note};
use super::signing::sign_text;
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::{approval_files, trust_files};
use crate::digest::Sha256;
use crate::label::Label;
use crate::storage::read_named;
use crate::time::Time;
use crate::trust::{APPROVAL_NAMESPACE, Approval, Decision, PublicKey, Role, SignedApproval, TrustFile, verify};

/// The largest report that is read, in bytes.
const MAX_REPORT_BYTES: u64 = 1 << 30;

/// Approve a bundle: sign a statement that a site counts towards its quorum of reviewers
///
/// The small part of the bundle is enough: manifest, item lists and trust files. The statement is written to the bundle's folder
/// `approvals`, or to --out where the medium is read-only. An import takes it with the bundle, or alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry approve /media/usb/dc1-base-000042 --key anna.key --ticket CHG-4711\n  \
    gapferry approve dc1-base-000042 --key ~/.ssh/id_ed25519_sk --report review/report.json --out .\n  \
    gapferry approve dc1-base-000042 --key dora.key --role emergency --reason 'CVE-2026-0001 is exploited'")]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    common: StatementArgs,
    /// The role in which it counts: reviewer or emergency
    #[arg(long, default_value = "reviewer")]
    role: Role,
    /// The reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// From this time on, the approval does not count
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// The report.json that was read: its digest becomes part of the statement
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The reason for which an alarm of the report is acceptable, as ID=REASON; can be given several times
    #[arg(long = "acknowledge", value_name = "ID=REASON", value_parser = acknowledgement)]
    acknowledged: Vec<(String, String)>,
}

/// Reject a bundle: sign a statement that keeps a site from publishing it
///
/// Only the same person can withdraw it, with --withdraw, or by an approval. What is published stays.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry reject /media/usb/dc1-base-000042 --key anna.key --reason 'nginx goes back to 1.18'\n  \
    gapferry reject /media/usb/dc1-base-000042 --key anna.key --withdraw"
)]
pub(super) struct RejectArgs {
    #[command(flatten)]
    common: StatementArgs,
    /// The reason
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    reason: Option<String>,
    /// Withdraw all that the same person said of the bundle before
    #[arg(long)]
    withdraw: bool,
}

#[derive(Debug, clap::Args)]
struct StatementArgs {
    /// The bundle's folder or name
    bundle: PathBuf,
    /// The secret key; or the public one, if ssh-agent has the secret half
    #[arg(long)]
    key: PathBuf,
    /// The first line of FILE opens the secret key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The reviewer, as the trust file calls them [default: the owner of the key in the bundle's trust file]
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<Label>,
    /// The change ticket
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,
    /// The number of the statement; it is higher than that of each one before [default: one more than those in the bundle's folder]
    #[arg(long, value_name = "N")]
    number: Option<u64>,
    /// Folder for the statement [default: the folder `approvals` of the bundle]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn acknowledgement(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=').map(|(id, reason)| (id.to_owned(), reason.to_owned())).ok_or("it is not of the form ID=REASON")
}

pub(super) fn approve(args: &ApproveArgs, out: &Output) -> Result<(), Failure> {
    let report = args.report.as_ref().map(|path| read_named(path, MAX_REPORT_BYTES)).transpose()?;
    make(&args.common, out, |statement| Approval {
        acknowledged: args.acknowledged.iter().cloned().collect(),
        role: args.role,
        reason: args.reason.clone(),
        report: report.as_deref().map(Sha256::of),
        until: args.until,
        ..statement
    })
}

pub(super) fn reject(args: &RejectArgs, out: &Output) -> Result<(), Failure> {
    let decision = if args.withdraw { Decision::Withdraw } else { Decision::Reject };
    make(&args.common, out, |statement| Approval { decision, reason: args.reason.clone(), ..statement })
}

/// Signs and writes the statement that `fill` makes of one with all that both commands have in common.
fn make(args: &StatementArgs, out: &Output, fill: impl FnOnce(Approval) -> Approval) -> Result<(), Failure> {
    let folder = find(&args.bundle, None)?;
    let state = SignedState::open(&folder)?.trusted(|_| Ok::<(), Failure>(()))?;
    let manifest = &state.manifest;
    let public = public_key(&args.key);
    let trust = trust_files::consistent(&folder)?.pop().map(|newest| newest.file);
    let beside = approval_files::folder_in(&folder);
    let is_theirs = |signed: &SignedApproval| {
        let owner = trust.as_ref().and_then(|trust| trust.may_say(signed).ok());
        signed.statement.manifest == state.digest && (owner.is_some() || public.as_ref() == Some(&signed.signer))
    };
    let person = person(args, &folder, trust.as_ref(), public.as_ref())?;
    let before = approval_files::read_all(&beside).signed.into_iter().chain(others(args));
    let mine = before.filter(|signed| is_theirs(signed) && signed.statement.person == person);
    let last = mine.map(|signed| signed.statement.number).max();
    let statement = fill(Approval {
        acknowledged: Default::default(),
        decision: Decision::Approve,
        format: Approval::FORMAT,
        manifest: state.digest,
        name: manifest.name.clone(),
        number: args.number.unwrap_or(last.unwrap_or(0).saturating_add(1)),
        person,
        reason: None,
        report: None,
        role: Role::Reviewer,
        sequence: manifest.sequence,
        site: manifest.site.clone(),
        ticket: args.ticket.clone(),
        time: Time::now(),
        until: None,
    });
    statement.check().map_err(|reason| Failure::usage(format_args!("the statement would be wrong: {reason}")))?;
    let text = statement.to_json().into_bytes();
    let signature = sign_text(&args.key, args.passphrase_file.as_ref(), APPROVAL_NAMESPACE, &text)?;
    verify(signature.as_bytes(), APPROVAL_NAMESPACE, &text)?;
    let signed = SignedApproval::open(text, signature.into_bytes())?;
    let path = approval_files::write(args.out.as_ref().unwrap_or(&beside), &signed)?;
    say(&state, &signed, &path, out);
    Ok(())
}

/// The statements in the folder that the new one is written to.
fn others(args: &StatementArgs) -> Vec<SignedApproval> {
    args.out.as_ref().map(|folder| approval_files::read_all(folder).signed).unwrap_or_default()
}

/// Returns the public half of a key, if it is known before it signs: from the file beside it, or from the file itself.
fn public_key(key: &Path) -> Option<PublicKey> {
    let mut beside = key.as_os_str().to_owned();
    beside.push(".pub");
    [PathBuf::from(beside), key.to_owned()].into_iter().find_map(|path| PublicKey::load(&path).ok())
}

/// Returns the person who signs.
fn person(
    args: &StatementArgs,
    bundle: &Path,
    trust: Option<&TrustFile>,
    key: Option<&PublicKey>,
) -> Result<Label, Failure> {
    let owner = trust.zip(key).and_then(|(trust, key)| {
        trust.keys().find(|(_, trusted)| trusted.key == *key).map(|(person, _)| person.clone())
    });
    args.person.clone().or(owner).ok_or_else(|| {
        let (key, bundle) = (args.key.display(), bundle.display());
        Failure::usage(format_args!(
            "{bundle} has no trust file that names the owner of {key}: give their name with --as"
        ))
    })
}

fn say(state: &OpenState, signed: &SignedApproval, path: &Path, out: &Output) {
    let (bundle, statement) = (state.manifest.folder(), &signed.statement);
    note(&format!("note: the manifest {} is signed by {}", state.digest, state.signer.fingerprint()));
    let what = match statement.decision {
        Decision::Approve => "approves",
        Decision::Reject => "rejects",
        Decision::Withdraw => "withdraws what they said of",
    };
    out.done(
        json!({
            "bundle": bundle, "file": path, "decision": statement.decision, "person": statement.person, "role": statement.role,
            "number": statement.number, "manifest_sha256": state.digest, "key": signed.signer.fingerprint(),
        }),
        &format!("{}  {} {what} {bundle}, number {}\n", path.display(), statement.person, statement.number),
    );
}
