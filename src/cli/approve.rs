//! `gapferry approve` and `gapferry reject`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;
use super::output::{Output, note};
use super::report_subject::ReportSubject;
use super::reviewed::{open_after, open_one};
use super::signing::sign_text;
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::{BundleError, approval_files, trust_files};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::label::Label;
use crate::review::{Alarm, ID_DIGITS, compare};
use crate::time::Time;
use crate::trust::{
    APPROVAL_NAMESPACE, AlarmSet, Approval, Decision, PublicKey, Role, SignedApproval, TrustFile, verify,
};

/// The most alarms that an error names.
const MAX_SHOWN_ALARMS: usize = 20;

/// Approve a bundle: sign a statement that a site counts towards its quorum of reviewers
///
/// Each alarm of the bundle against what the site publishes needs a reason: a site computes the alarms again, and an approval that
/// leaves one out does not count. The small part of the bundle is enough: manifest, item lists and trust files. The statement is
/// written to the bundle's folder `approvals`, or to --out where the medium is read-only. An import takes it with the bundle, or
/// alone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry approve /media/usb/dc1-base-000042 --against dc1-base-000041 --key anna.key --ticket CHG-4711\n  \
    gapferry approve dc1-base-000042 --key ~/.ssh/id_ed25519_sk --against /srv/gapferry --report review/report.json \
    --acknowledge 'caf9a249bc10=the maintainer has confirmed it' --out .\n  \
    gapferry approve dc1-base-000042 --key dora.key --role emergency --reason 'CVE-2026-0001 is exploited' --acknowledge-all 'no time'"
)]
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
    /// The state that the site publishes: a bundle, a medium, or a site's folder [default: all of the bundle counts as new]
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// The reason for which an alarm is acceptable, by its id in the report; can be given several times
    #[arg(long = "acknowledge", value_name = "ID=REASON")]
    acknowledged: Vec<Acknowledgement>,
    /// The reason for which all alarms are acceptable
    #[arg(long, value_name = "REASON")]
    acknowledge_all: Option<String>,
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

/// The reason for which an alarm is acceptable.
#[derive(Clone, Debug)]
struct Acknowledgement {
    /// The first digits of the alarm's digest, at least those of its id.
    id: String,
    reason: String,
}

impl FromStr for Acknowledgement {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((id, reason)) if id.len() >= ID_DIGITS => Ok(Self { id: id.to_owned(), reason: reason.to_owned() }),
            _ => Err("it is not of the form ID=REASON, with all digits of the ID"),
        }
    }
}

pub(super) fn approve(args: &ApproveArgs, out: &Output) -> Result<(), Failure> {
    make(&args.common, out, |folder, statement| {
        let report = args.report.as_ref().map(|path| named_report(path, &statement)).transpose()?;
        let alarms = report.as_ref().map(|report| report.alarms.as_slice()).unwrap_or_default();
        let statement = acknowledge(args, folder, statement, alarms)?;
        let (role, reason, until) = (args.role, args.reason.clone(), args.until);
        let (report, scan) = report.map(|report| (report.report, report.scan)).unzip();
        Ok(Approval { role, reason, report, scan: scan.flatten(), until, ..statement })
    })
}

pub(super) fn reject(args: &RejectArgs, out: &Output) -> Result<(), Failure> {
    let decision = if args.withdraw { Decision::Withdraw } else { Decision::Reject };
    make(&args.common, out, |_, statement| Ok(Approval { decision, reason: args.reason.clone(), ..statement }))
}

/// Reads a report. Fails if it is on another bundle.
fn named_report(path: &Path, statement: &Approval) -> Result<ReportSubject, Failure> {
    let report = ReportSubject::read(path)?;
    match report.manifest == statement.manifest {
        true => Ok(report),
        false => Err(Failure::usage(format_args!(
            "{} is the report of another bundle, with the manifest {}; this one has {}",
            path.display(),
            report.manifest,
            statement.manifest
        ))),
    }
}

/// The alarms of a bundle, sorted by whether a reason was given for them.
struct AlarmReasons<'a> {
    args: &'a ApproveArgs,
    acknowledged: BTreeMap<Sha256, String>,
    left_out: Vec<String>,
    /// The reasons that belong to an alarm, by their places among the arguments.
    used: BTreeSet<usize>,
}

impl AlarmReasons<'_> {
    /// Looks for the reason of an alarm.
    fn take(&mut self, alarm: &Alarm) {
        let digest = alarm.digest.to_hex();
        let given = self.args.acknowledged.iter().enumerate().filter(|(_, given)| digest.starts_with(&given.id));
        let given: Vec<_> = given.collect();
        self.used.extend(given.iter().map(|(place, _)| *place));
        match given.first() {
            Some((_, given)) => drop(self.acknowledged.insert(alarm.digest, given.reason.clone())),
            None if self.left_out.len() <= MAX_SHOWN_ALARMS => {
                self.left_out.push(format!("{} {}", alarm.id, alarm.text))
            }
            None => {}
        }
    }

    /// Fails if an alarm has no reason, or a reason no alarm.
    fn check(&self) -> Result<(), Failure> {
        let mut places = self.args.acknowledged.iter().enumerate();
        if let Some((_, unknown)) = places.find(|(place, _)| !self.used.contains(place)) {
            let hint = if self.args.report.is_some() { "" } else { ": for one that needs volumes, give --report" };
            return Err(Failure::usage(format_args!("there is no alarm {}{hint}", unknown.id)));
        }
        match self.args.acknowledge_all.is_none() && !self.left_out.is_empty() {
            true => Err(not_acknowledged(&self.left_out)),
            false => Ok(()),
        }
    }
}

/// Adds the acknowledgements of alarms to an approval: of those that the site computes again, and of those that only a report has.
/// Fails if one is missing, or if there is no such alarm.
fn acknowledge(
    args: &ApproveArgs,
    folder: &Path,
    statement: Approval,
    reported: &[Alarm],
) -> Result<Approval, Failure> {
    let (before, after) = match &args.against {
        Some(against) => open_after(against, folder)?,
        None => {
            let after = open_one(folder)?;
            (after.without_items(), after)
        }
    };
    if after.digest != statement.manifest {
        return Err(Fault::failed("the bundle changed while it was read").into());
    }
    let scratch = std::env::temp_dir();
    let diff = compare(&before, &after, &scratch)?;
    let mut digests = Vec::new();
    let (acknowledged, left_out, used) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let mut reasons = AlarmReasons { args, acknowledged, left_out, used };
    let read = diff.each_alarm(|alarm| {
        digests.push(alarm.digest);
        reasons.take(&alarm);
        Ok::<(), io::Error>(())
    });
    read.map_err(BundleError::io("read", &scratch))?;
    reported.iter().for_each(|alarm| reasons.take(alarm));
    reasons.check()?;
    let against = args.against.as_ref().map(|_| before.digest);
    let alarms = AlarmSet::new(against, digests);
    let all_alarms = args.acknowledge_all.as_ref().map(|reason| alarms.acknowledge(reason));
    let mut acknowledged = reasons.acknowledged;
    if let Some(reason) = &args.acknowledge_all {
        // The digest of all alarms is over those that the site can compute.
        for alarm in reported {
            acknowledged.entry(alarm.digest).or_insert_with(|| reason.clone());
        }
    }
    Ok(Approval { acknowledged, all_alarms, ..statement })
}

fn not_acknowledged(alarms: &[String]) -> Failure {
    let shown = alarms.iter().take(MAX_SHOWN_ALARMS).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = if alarms.len() > MAX_SHOWN_ALARMS { "; and more" } else { "" };
    Failure::usage(format_args!(
        "there are alarms: {shown}{more}. Give --acknowledge ID=REASON for each, or --acknowledge-all REASON, and --against the state that \
         the site publishes"
    ))
}

/// Signs and writes the statement that `fill` makes of one with all that both commands have in common.
fn make(
    args: &StatementArgs,
    out: &Output,
    fill: impl FnOnce(&Path, Approval) -> Result<Approval, Failure>,
) -> Result<(), Failure> {
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
    let statement = Approval {
        acknowledged: BTreeMap::new(),
        all_alarms: None,
        decision: Decision::Approve,
        format: Approval::FORMAT,
        manifest: state.digest,
        name: manifest.name.clone(),
        number: args.number.unwrap_or(last.unwrap_or(0).saturating_add(1)),
        person,
        reason: None,
        report: None,
        role: Role::Reviewer,
        scan: None,
        sequence: manifest.sequence,
        site: manifest.site.clone(),
        ticket: args.ticket.clone(),
        time: Time::now(),
        until: None,
    };
    let statement = fill(&folder, statement)?;
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
