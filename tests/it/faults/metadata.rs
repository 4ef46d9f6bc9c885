//! Metadata that is forged, old, of the future, incomplete or outsized.

use std::fs;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::time::Time;

use super::{Fault, IN_RELEASE, upstream};
use crate::support::server::{self, Times};

const INDEX: &str = "dists/stable/main/binary-amd64/Packages.xz";

impl Fault {
    /// Fails as it should, writes nothing, fetches no package, and recovers once the upstream is as it was.
    #[track_caller]
    fn is_refused(&self, exit: Exit, words: &[&str]) {
        self.desk.export("").says(exit, words);
        self.wrote_nothing();
        assert_eq!(self.asked(), [0; super::PACKAGES], "no package of an upstream that is not trusted");
        self.desk.archive("up", &mut upstream(), &["stable"]);
        [IN_RELEASE, INDEX].iter().for_each(|path| self.server.heal(path));
        self.select();
        self.recovers();
    }

    fn release(&self) -> std::path::PathBuf {
        self.desk.path("up").join(IN_RELEASE)
    }
}

#[test]
fn a_forged_release() {
    let fault = Fault::new();
    fault.server.fault(IN_RELEASE, Times::ALWAYS, server::Fault::Flip(200));
    fault.is_refused(Exit::VerificationFailed, &["cannot trust the suite stable", "signature is not good"]);
}

#[test]
fn a_release_of_somebody_else() {
    let other = SiteKey::generate("Somebody <else@desk.invalid>", Time::now().unix() - 3600).unwrap();
    let fault = Fault::new();
    fs::write(fault.desk.path("keyring.gpg"), other.public_binary().unwrap()).unwrap();
    fault.is_refused(Exit::VerificationFailed, &["cannot trust the suite stable", "signature is not good"]);
}

#[test]
fn a_release_without_a_signature() {
    let fault = Fault::new();
    fs::write(fault.release(), "Origin: Faulty\nDate: Wed, 01 Jan 2025 00:00:00 UTC\nSHA256:\n").unwrap();
    fault.is_refused(Exit::VerificationFailed, &["cannot trust the suite stable"]);

    let fault = Fault::new();
    fs::rename(fault.release(), fault.release().with_file_name("Release")).unwrap();
    fault.is_refused(
        Exit::VerificationFailed,
        &["suite stable of", "is signed by nobody", "neither InRelease nor Release.gpg"],
    );
}

#[test]
fn a_release_that_is_past_its_time() {
    let mut stale = upstream();
    stale.suite("stable").valid_until = Some(Time::now().unix() - 10);
    let fault = Fault::of(stale);
    fault.desk.export("").says(Exit::Refused, &["was valid until", "stale", "allow-expired = true"]);
    fault.wrote_nothing();
    let url = fault.server.url("").to_string();
    fault.desk.select(&fault.desk.table("demo", &url, "stable main amd64", "allow-expired = true"));
    fault.recovers();
}

#[test]
fn a_release_of_the_future() {
    let mut early = upstream();
    early.suite("stable").edit_release = |text| {
        let date = |line: &str| {
            if line.starts_with("Date:") { "Date: Tue, 01 Jan 2999 00:00:00 UTC" } else { line }.to_owned() + "\n"
        };
        text.lines().map(date).collect()
    };
    Fault::of(early).is_refused(Exit::Refused, &["2999-01-01T00:00:00Z", "set the clock"]);
}

#[test]
fn a_release_that_vouches_with_broken_digests_only() {
    let mut weak = upstream();
    weak.suite("stable").edit_release = |text| text.replace("SHA256:", "MD5Sum:");
    Fault::of(weak).is_refused(Exit::VerificationFailed, &["lists no index by SHA-256"]);
}

#[test]
fn an_index_that_is_outsized() {
    // Signed as too large to read: it is not even asked for.
    let mut huge = upstream();
    huge.suite("stable").edit_release = |text| {
        let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [digest, _, path] if digest.len() == 64 => format!(" {digest} 99999999999 {path}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    };
    let fault = Fault::of(huge);
    fault.desk.export("").says(Exit::VerificationFailed, &["99999999999 bytes", "main/binary-amd64/Packages"]);
    assert_eq!(fault.server.requests(INDEX).len(), 0);
    fault.is_refused(Exit::VerificationFailed, &["more than gapferry reads"]);

    // Signed as it should be, but the body goes on and on.
    let fault = Fault::new();
    fault.server.fault(INDEX, Times::ALWAYS, server::Fault::ChunkedExtra(50_000_000));
    fault.is_refused(Exit::VerificationFailed, &[INDEX, "is larger than the"]);
}

/// A compressed index of 64 MiB of blank lines, where the Release names a plain index of a few kilobytes.
#[test]
fn an_index_that_expands_beyond_its_signed_size() {
    fn bomb() -> Vec<u8> {
        liblzma::encode_all([b'\n'; 1 << 16].repeat(1 << 10).as_slice(), 0).unwrap()
    }
    let mut hostile = upstream();
    hostile.suite("stable").edit_release = |text| {
        let bomb = bomb();
        let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [digest, _, path] if digest.len() == 64 && INDEX.ends_with(path) => {
                format!(" {} {} {path}\n", Sha256::of(&bomb), bomb.len())
            }
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    };
    let fault = Fault::of(hostile);
    fs::write(fault.desk.path("up").join(INDEX), bomb()).unwrap();
    fault.is_refused(Exit::VerificationFailed, &["cannot expand main/binary-amd64/Packages.xz", "bytes allowed"]);
}

#[test]
fn a_mirror_between_two_states() {
    let fault = Fault::new();
    let before = fs::read(fault.desk.path("up").join(INDEX)).unwrap();
    let mut next = upstream();
    next.add("stable", "main", crate::support::desk::heavy("package-7", "1.0-1", 10));
    fault.desk.archive("up", &mut next, &["stable"]);
    fs::write(fault.desk.path("up").join(INDEX), before).unwrap();
    fault.is_refused(Exit::VerificationFailed, &[INDEX]);
}

#[test]
fn an_index_that_is_not_there() {
    let fault = Fault::new();
    for form in [INDEX.to_owned(), INDEX.replace(".xz", ".gz"), INDEX.replace(".xz", "")] {
        fault.server.fault(&form, Times::ALWAYS, server::Fault::Status(404, vec![]));
    }
    fault.is_refused(Exit::UpstreamUnavailable, &["main/binary-amd64/Packages", "does not exist", "run again"]);
}

/// A package that the signed index names by a path that leads out of the archive, or with a digest that is not its own.
#[test]
fn an_index_that_lies() {
    for (field, value, exit) in [
        ("Filename", "../../../etc/passwd", Exit::VerificationFailed),
        ("Filename", "/etc/passwd", Exit::UpstreamUnavailable),
        ("Filename", "pool/main/p/gone.deb", Exit::UpstreamUnavailable),
        ("Size", "12", Exit::VerificationFailed),
        ("SHA256", "0000000000000000000000000000000000000000000000000000000000000000", Exit::VerificationFailed),
        ("SHA256", "", Exit::VerificationFailed),
    ] {
        let mut liar = upstream();
        let bad = crate::support::desk::heavy("liar", "1.0-1", 1000);
        let bad = gapferry::upstream::DebSpec { index_fields: vec![(field.into(), value.into())], ..bad };
        liar.add("stable", "main", bad);
        let fault = Fault::of(liar);
        let url = fault.server.url("").to_string();
        fault.desk.select(&fault.desk.table("demo", &url, "stable main amd64", "packages = [\"liar\"]"));
        let ended = fault.desk.export("");
        assert_eq!(ended.code, i32::from(exit.code()), "{field}: {value}: {ended:?}");
        fault.wrote_nothing();
    }
}
