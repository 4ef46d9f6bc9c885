//! `gapferry keygen`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::passphrase;
use crate::trust::SecretKey;

/// Make a key pair that signs bundles: KEY and KEY.pub, in OpenSSH's format
///
/// The same pair works with ssh-keygen, and a pair made with `ssh-keygen -t ed25519` works here. An existing file is never
/// overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry keygen builder.key\n  ssh-keygen -l -f builder.key.pub")]
pub(super) struct KeygenArgs {
    /// Where the secret key goes; the public one goes to KEY.pub
    key: PathBuf,
    /// Ask for a passphrase and encrypt the secret key with it
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase: bool,
    /// Encrypt the secret key with the first line of FILE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Comment in the key files
    #[arg(long, default_value = "gapferry builder")]
    comment: String,
}

pub(super) fn run(args: &KeygenArgs, out: &Output) -> Result<(), Failure> {
    let passphrase = match &args.passphrase_file {
        Some(path) => Some(passphrase::from_file(path)?),
        None if args.passphrase => {
            let first = passphrase::ask("Passphrase: ");
            if first.is_none() || first != passphrase::ask("Once more: ") {
                return Err(Failure::usage("the passphrases differ, or there is no terminal to ask on"));
            }
            first
        }
        None => None,
    };
    let key = SecretKey::generate();
    let public = key.save(&args.key, &args.comment, passphrase.as_ref().map(|p| p.as_str()))?;
    let fingerprint = key.public().fingerprint();
    out.done(
        json!({ "key": args.key, "public": public, "fingerprint": fingerprint }),
        &format!(
            "{}  secret: stays on this machine\n{}  public: goes to each site, by another way than the bundles\n{fingerprint}\n",
            args.key.display(),
            public.display()
        ),
    );
    Ok(())
}
