//! `gapferry trust show`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::error::Failure;
use super::super::output::Output;
use super::super::snap_roots::open_site;
use super::spoken;
use crate::bundle::folder::is_bundle;
use crate::bundle::trust_files;
use crate::site::read_signed_trust;
use crate::terminal::safe;
use crate::time::Time;
use crate::trust::{Role, SignedTrustFile, TrustedKey};

/// Show who may sign what, until when, and who has signed the trust file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry trust show /srv/gapferry\n  gapferry trust show trust-2.json\n  \
    gapferry trust show /media/usb/dc1-base-000042\n  \
    gapferry trust show /srv/gapferry --allowed-signers")]
pub(super) struct ShowArgs {
    /// A site's folder, a bundle's folder, of which the newest trust file is shown, or a trust file
    #[arg(value_name = "SITE|BUNDLE|FILE")]
    path: PathBuf,
    /// Print the keys as the file that `ssh-keygen -Y verify -f` reads (ssh-keygen(1), ALLOWED SIGNERS)
    #[arg(long)]
    allowed_signers: bool,
}

pub(super) fn run(args: &ShowArgs, out: &Output) -> Result<(), Failure> {
    let signed = find(&args.path)?;
    let allowed = signed.file.allowed_signers();
    if args.allowed_signers {
        out.done(json!({ "allowed_signers": allowed }), &allowed);
        return Ok(());
    }
    out.done(value(&signed), &render(&signed));
    Ok(())
}

fn find(path: &Path) -> Result<SignedTrustFile, Failure> {
    if !path.is_dir() {
        return Ok(read_signed_trust(path)?);
    }
    if !is_bundle(path).unwrap_or(false) {
        let site = open_site(path)?;
        return Ok(site.signed_trust(site.trust.version)?);
    }
    let folder = trust_files::folder_in(path);
    let newest = trust_files::versions(&folder)?.into_iter().next_back();
    let found = newest.map(|version| trust_files::read(&folder, version)).transpose()?.flatten();
    found.ok_or_else(|| Failure::usage(format_args!("the bundle {} carries no trust files", path.display())))
}

/// Returns what programs are told of a trust file.
pub(super) fn value(signed: &SignedTrustFile) -> Value {
    let file = &signed.file;
    let signatures: Vec<Value> = signed
        .signatures()
        .iter()
        .map(|signature| match &signature.signer {
            Ok(signer) => {
                let person = file.find_person(signer);
                json!({ "key": signer.fingerprint(), "person": person })
            }
            Err(reason) => json!({ "error": reason }),
        })
        .collect();
    let keys: Vec<Value> = file
        .keys()
        .map(|(person, key)| {
            let valid = key.revoked.as_ref().map(|revoked| &revoked.valid_manifests);
            json!({
                "person": person, "fingerprint": key.key.fingerprint(), "key": key.key, "roles": key.roles,
                "expires": key.expires, "revoked": key.revoked.is_some(), "valid_manifests": valid,
            })
        })
        .collect();
    json!({
        "site": file.site, "version": file.version, "epoch": file.epoch, "expires": file.expires, "sha256": signed.digest(),
        "keys": keys, "groups": file.groups, "quorums": file.quorums, "next_expiry": file.next_expiry(),
        "signatures": signatures, "signed_by": signed.signed_by(file), "advice": file.advice(),
    })
}

/// Returns the trust file in words.
pub(super) fn render(signed: &SignedTrustFile) -> String {
    let file = &signed.file;
    let mut text = format!("trust file of the site {}, version {}, epoch {}\n", file.site, file.version, file.epoch);
    text += &format!("fingerprint {}\n", spoken(&signed.digest()));
    for (person, key) in file.keys() {
        text += &format!("  {person}  {}  {}\n", key.key.fingerprint(), key_state(key));
    }
    for (name, group) in &file.groups {
        text += &format!("group {name}: {group}\n");
    }
    for (role, quorum) in &file.quorums {
        text += &format!("{}: {quorum}\n", purpose(*role));
    }
    text += &match file.next_expiry() {
        None => "nothing in it expires\n".to_owned(),
        Some(time) if time <= Time::now() => format!("EXPIRED since {time}\n"),
        Some(time) => format!("the next expiry is at {time}\n"),
    };
    for signature in signed.signatures() {
        text += &match &signature.signer {
            Ok(signer) => match file.find_person(signer) {
                Some(person) => format!("signed by {person} with {}\n", signer.fingerprint()),
                None => format!("signed by {}, which is not in it\n", signer.fingerprint()),
            },
            Err(reason) => format!("a signature that counts for nothing: {}\n", safe(reason)),
        };
    }
    file.advice().iter().for_each(|advice| text += &format!("note: {advice}\n"));
    text
}

fn purpose(role: Role) -> &'static str {
    match role {
        Role::Builder => "bundles are signed by",
        Role::Reviewer => "bundles are approved by",
        Role::Emergency => "in an emergency, bundles are approved by",
        Role::Root => "changes of this file are signed by",
    }
}

fn key_state(key: &TrustedKey) -> String {
    let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
    match (&key.revoked, key.expires) {
        (Some(revoked), _) if revoked.valid_manifests.is_empty() => "REVOKED".to_owned(),
        (Some(revoked), _) => {
            let valid: Vec<String> = revoked.valid_manifests.iter().map(ToString::to_string).collect();
            format!("REVOKED, but for the manifests {}", valid.join(", "))
        }
        (None, Some(expires)) => format!("{}, until {expires}", roles.join(", ")),
        (None, None) => roles.join(", "),
    }
}
