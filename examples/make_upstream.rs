//! Writes a signed archive of generated packages: `make_upstream DIR COUNT SIZE SEED`.
//!
//! With SIZE 200000000 and COUNT 1 it is one large package. DIR gets `dists/`, `pool/`, and the key that signed them as `keyring.gpg` and `keyring.asc`. The suite is `stable`, the
//! component `main`; there are COUNT packages of SIZE incompressible bytes each.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use gapferry::demo::upstream::{DEFAULT_DATE, DebSpec, Packing, Upstream, bulk};
use gapferry::formats::openpgp::SiteKey;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, count, size, seed] = arguments.as_slice() else {
        eprintln!("usage: make_upstream DIR COUNT SIZE SEED");
        return ExitCode::from(2);
    };
    match run(Path::new(dir), count, size, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make_upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path, count: &str, size: &str, seed: &str) -> Result<(), Box<dyn Error>> {
    let key = SiteKey::generate("Generated Archive <archive@example.invalid>", DEFAULT_DATE)?;
    let mut upstream = Upstream::new("Generated", &["amd64"]);
    let size = size.parse()?;
    // Compressing what does not compress would only cost time where there is much of it.
    let packing = if size > 1_000_000 { Packing::Plain } else { Packing::Gzip };
    for deb in bulk(count.parse()?, size, seed.parse()?) {
        upstream.add("stable", "main", DebSpec { packing, ..deb });
    }
    upstream.write_to(dir, &key)?;
    // Real archives have both forms of the signature, and some mirroring tools ask for the older one.
    upstream.split_signature = true;
    upstream.write_to(dir, &key)?;
    fs::write(dir.join("keyring.gpg"), key.public_binary()?)?;
    fs::write(dir.join("keyring.asc"), key.public_armored()?)?;
    Ok(())
}
