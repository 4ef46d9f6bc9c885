//! `gapferry trust edit`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::error::Failure;
use super::super::output::{Output, note};
use super::super::snap_roots::open_site;
use super::show;
use crate::digest::Sha256;
use crate::label::Label;
use crate::next_command;
use crate::numbers::Epoch;
use crate::site::read_signed_trust;
use crate::storage::{modes, write_atomically};
use crate::time::Time;
use crate::trust::{KeyName, PublicKey, Quorum, Role, SignedTrustFile, TrustChange, TrustFile};

/// Write the next version of a trust file, for its root persons to sign
///
/// Keys are named by their fingerprints, as `trust show` and `ssh-keygen -l` print them, or by their public key files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    gapferry trust edit /srv/gapferry --out trust-2.json --add-key builder:builder:new.key.pub --revoke old.key.pub\n  \
    gapferry trust edit trust-1.json --out trust-2.json --add-key dora:root:dora.pub --quorum root=2:anna,bert,dora\n  \
    gapferry trust edit /srv/gapferry --out trust-2.json --group security=2:anna,bert,carl --quorum root=2:security,dora")]
pub(super) struct EditArgs {
    /// The trust file before, or the folder of a site that has it
    #[arg(value_name = "SITE|FILE")]
    path: PathBuf,
    /// The file for the next version, which must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Give a person a key, in one or more roles (builder, reviewer, root) with `+` between them
    #[arg(long, value_name = "PERSON:ROLES:KEY.pub", value_parser = new_key)]
    add_key: Vec<(Label, BTreeSet<Role>, PathBuf)>,
    /// Take a person out; revoked keys stay
    #[arg(long, value_name = "PERSON")]
    remove_person: Vec<Label>,
    /// Revoke a key: what it signed is void unless it is published already
    #[arg(long, value_name = "KEY")]
    revoke: Vec<String>,
    /// Let a manifest that a revoked key signed stay valid, by its SHA-256
    #[arg(long, value_name = "KEY=SHA256", value_parser = key_and::<Sha256>)]
    keep_manifest: Vec<(String, Sha256)>,
    /// Set the roles of a key
    #[arg(long, value_name = "KEY=ROLES", value_parser = key_and_roles)]
    role: Vec<(String, BTreeSet<Role>)>,
    /// Let a key expire at a time such as 2027-12-31T00:00:00Z, or never
    #[arg(long, value_name = "KEY=TIME", value_parser = key_and_time)]
    key_expires: Vec<(String, Expiry)>,
    /// Set a group: how many of which persons and groups count as one name
    #[arg(long, value_name = "GROUP=NUMBER:NAME,…", value_parser = name_and::<Label>)]
    group: Vec<(Label, Quorum)>,
    /// Take a group out
    #[arg(long, value_name = "GROUP")]
    remove_group: Vec<Label>,
    /// Set how many of which persons and groups must sign in a role
    #[arg(long, value_name = "ROLE=NUMBER:NAME,…", value_parser = name_and::<Role>)]
    quorum: Vec<(Role, Quorum)>,
    /// Start the sequences of bundles afresh in this epoch, after a builder's key was stolen
    #[arg(long, value_name = "NUMBER")]
    epoch: Option<Epoch>,
    /// Let the trust file expire at a time, or never: from then on the site takes no bundle without a newer one
    #[arg(long, value_name = "TIME|never", value_parser = expiry)]
    expires: Option<Expiry>,
    /// Show the next version, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A time, or none.
#[derive(Clone, Copy, Debug)]
struct Expiry(Option<Time>);

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry(None)),
        time => time.parse().map(|time| Expiry(Some(time))).map_err(|e: crate::time::MalformedTime| e.to_string()),
    }
}

fn roles(text: &str) -> Result<BTreeSet<Role>, String> {
    text.split('+').map(str::parse).collect()
}

fn new_key(text: &str) -> Result<(Label, BTreeSet<Role>, PathBuf), String> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [person, in_roles, file] = parts[..] else {
        return Err("it is not PERSON:ROLES:KEY.pub, such as anna:root:anna.pub".to_owned());
    };
    Ok((person.parse().map_err(|e: crate::label::MalformedLabel| e.to_string())?, roles(in_roles)?, file.into()))
}

/// Parses `KEY=VALUE`. A key's fingerprint has no `=` in it.
fn key_and_text(text: &str) -> Result<(String, &str), String> {
    text.rsplit_once('=').map(|(key, value)| (key.to_owned(), value)).ok_or_else(|| "it has no `=` in it".to_owned())
}

fn key_and<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<(String, T), String> {
    let (key, value) = key_and_text(text)?;
    Ok((key, value.parse().map_err(|e: T::Err| e.to_string())?))
}

fn key_and_roles(text: &str) -> Result<(String, BTreeSet<Role>), String> {
    let (key, value) = key_and_text(text)?;
    Ok((key, roles(value)?))
}

fn key_and_time(text: &str) -> Result<(String, Expiry), String> {
    let (key, value) = key_and_text(text)?;
    Ok((key, expiry(value)?))
}

fn name_and<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<(T, Quorum), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=NUMBER:NAME,…")?;
    let quorum = value.parse().map_err(|e: crate::trust::MalformedQuorum| e.to_string())?;
    Ok((name.parse().map_err(|e: T::Err| e.to_string())?, quorum))
}

/// Returns the name of a key that is given by its fingerprint or its file.
fn key_name(given: &str) -> Result<KeyName, Failure> {
    match given.starts_with("SHA256:") {
        true => Ok(given.to_owned()),
        false => Ok(PublicKey::load(Path::new(given))?.fingerprint()),
    }
}

impl EditArgs {
    /// Returns the changes in an order in which each can be made: persons and keys first, then what is said of them.
    fn changes(&self) -> Result<Vec<TrustChange>, Failure> {
        let mut changes = Vec::new();
        changes.extend(self.remove_person.iter().cloned().map(TrustChange::RemovePerson));
        for (person, roles, file) in &self.add_key {
            changes.push(TrustChange::AddKey(person.clone(), roles.clone(), PublicKey::load(file)?));
        }
        for (key, roles) in &self.role {
            changes.push(TrustChange::SetRoles(key_name(key)?, roles.clone()));
        }
        for (key, expiry) in &self.key_expires {
            changes.push(TrustChange::SetKeyExpiry(key_name(key)?, expiry.0));
        }
        for key in &self.revoke {
            changes.push(TrustChange::Revoke(key_name(key)?));
        }
        for (key, digest) in &self.keep_manifest {
            changes.push(TrustChange::KeepManifest(key_name(key)?, *digest));
        }
        changes.extend(self.remove_group.iter().cloned().map(TrustChange::RemoveGroup));
        changes.extend(self.group.iter().cloned().map(|(name, group)| TrustChange::SetGroup(name, group)));
        changes.extend(self.quorum.iter().cloned().map(|(role, quorum)| TrustChange::SetQuorum(role, quorum)));
        changes.extend(self.epoch.map(TrustChange::SetEpoch));
        changes.extend(self.expires.map(|expires| TrustChange::SetExpiry(expires.0)));
        Ok(changes)
    }
}

pub(super) fn run(args: EditArgs, out: &Output) -> Result<(), Failure> {
    let changes = args.changes()?;
    if changes.is_empty() {
        return Err(Failure::usage("nothing is to be changed: say what, such as --add-key or --revoke"));
    }
    let next = before(&args.path)?.changed(&changes).map_err(|reason| {
        Failure::usage(format!("the next version of {} would be wrong: {reason}", args.path.display()))
    })?;
    let text = next.to_json();
    if !args.dry_run {
        if args.out.symlink_metadata().is_ok() {
            let exists = format!("{} exists already: choose another name for --out", args.out.display());
            return Err(Failure::usage(exists));
        }
        write_atomically(&args.out, text.as_bytes(), modes::PUBLIC_FILE)?;
    }
    let signed = SignedTrustFile { text: text.into_bytes(), signatures: String::new(), file: next };
    let mut value = show::value(&signed);
    value["file"] = json!(args.out);
    value["dry_run"] = json!(args.dry_run);
    let signing = next_command::trust_sign(&args.out);
    note(&format!("next: each root person runs `{signing}`"));
    out.done(value, &show::render(&signed));
    Ok(())
}

fn before(path: &Path) -> Result<TrustFile, Failure> {
    match path.is_dir() {
        true => Ok(open_site(path)?.trust),
        false => Ok(read_signed_trust(path)?.file),
    }
}
