//! `gapferry trust sign`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::error::Failure;
use super::super::output::Output;
use super::super::signing::sign_text;
use crate::site::read_signed_trust;
use crate::storage::{modes, write_atomically};
use crate::trust::{PublicKey, Role, SignedTrustFile, TRUST_NAMESPACE, verify};

/// Sign a trust file as one of its root persons: adds a signature to FILE.sig
///
/// KEY is a secret key file. If it is a public key file, ssh-agent signs with the secret half; if it is that of a hardware
/// token, the token does, and asks for a touch. ssh-keygen must be there for both. By hand, without gapferry:
/// `ssh-keygen -Y sign -n gapferry-trust -f KEY <FILE >>FILE.sig`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry trust sign trust-2.json --key anna.key\n  \
    gapferry trust sign trust-2.json --key ~/.ssh/id_ed25519.pub\n  \
    gapferry trust sign trust-2.json --key ~/.ssh/id_ed25519_sk")]
pub(super) struct SignArgs {
    /// The trust file
    file: PathBuf,
    /// The secret key; or the public one, if ssh-agent has the secret half
    #[arg(long)]
    key: PathBuf,
    /// The first line of this file opens the secret key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(super) fn run(args: &SignArgs, out: &Output) -> Result<(), Failure> {
    let signed = read_signed_trust(&args.file)?;
    let armored = sign_text(&args.key, args.passphrase_file.as_ref(), TRUST_NAMESPACE, &signed.text)?;
    let signer = verify(armored.as_bytes(), TRUST_NAMESPACE, &signed.text)?;
    let person = person(&signed, &signer)?;
    let is_there =
        signed.signatures().iter().any(|signature| signature.signer.as_ref().is_ok_and(|other| *other == signer));
    let signed = match is_there {
        true => signed,
        false => {
            let signatures = signed.signatures.clone() + &armored;
            write_atomically(&signatures_path(&args.file), signatures.as_bytes(), modes::PUBLIC_FILE)?;
            read_signed_trust(&args.file)?
        }
    };
    let persons = signed.signed_by(&signed.file);
    let names: Vec<String> = persons.iter().map(ToString::to_string).collect();
    out.done(
        json!({
            "file": args.file, "signatures": signatures_path(&args.file), "key": signer.fingerprint(), "person": person,
            "signed_by": names, "version": signed.file.version, "sha256": signed.digest(),
        }),
        &format!(
            "{}  signed by {person} with {}; so far by {}\n",
            args.file.display(),
            signer.fingerprint(),
            names.join(", ")
        ),
    );
    Ok(())
}

/// Returns the person whose root key signed. A root of the version before may sign too, so an unknown key is no error.
fn person(signed: &SignedTrustFile, signer: &PublicKey) -> Result<String, Failure> {
    let found = signed.file.keys().find(|(_, key)| key.key == *signer);
    match found {
        Some((person, key)) if key.revoked.is_none() && !key.roles.contains(&Role::Root) => {
            let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
            let key = signer.fingerprint();
            Err(Failure::usage(format!(
                "{key} of {person} is in the roles {}, and only keys in the role root sign trust files",
                roles.join(", ")
            )))
        }
        Some((person, _)) => Ok(person.to_string()),
        None => Ok("somebody of an earlier version".to_owned()),
    }
}

/// Returns the file with the signatures of a trust file.
fn signatures_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}
