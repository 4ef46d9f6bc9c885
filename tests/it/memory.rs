//! Peak memory of the program, measured by the kernel when it ends. Each case fails if somebody holds a whole index in memory.

use std::fs;
use std::io::Write as _;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, SampleCompression, Upstream};
use liblzma::stream as xz;

use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, clean, end};

/// The program's limit, in MiB.
pub(crate) const LIMIT_MIB: u64 = 256;
/// Prints the peak of a command in KiB behind what that prints, and ends as it does.
const MEASURE: &str = "import os, sys
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))";
const EXPORT: &str =
    "export online/selection.toml --dry-run --out medium --key online/builder.key --workspace online/workspace";

/// Runs the program. Returns how it ended, and its peak in MiB.
fn measured(desk: &Desk, arguments: &str) -> (Ended, u64) {
    let whole = desk.command(arguments);
    let mut python = std::process::Command::new("python3");
    python.args(["-c", MEASURE]).arg(whole.get_program()).args(whole.get_args()).current_dir(desk.path(""));
    clean(&mut python);
    let ended = end(&mut python);
    let kib = ended.out.lines().last().and_then(|line| line.parse::<u64>().ok());
    let mib = kib.unwrap_or_else(|| panic!("{ended:?}")) >> 10;
    (ended, mib)
}

/// Writes the archive `up` with this Packages, and selects of it what `more` says.
fn select(desk: &Desk, compression: SampleCompression, packed: &[u8], size: usize, more: &str) {
    let mut upstream = Upstream::new("Large", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("small", "1", "amd64"));
    (upstream.by_hash, upstream.client_indexes, upstream.indexes) = (false, false, [compression].into());
    desk.archive("up", &mut upstream, &["stable"]);
    let suite = desk.path("up/dists/stable");
    let name = format!("main/binary-amd64/Packages{}", compression.suffix());
    fs::write(suite.join(&name), packed).unwrap();
    let in_release = fs::read_to_string(suite.join("InRelease")).unwrap();
    let signed = in_release.split_once("\n\n").unwrap().1.split_once("-----BEGIN PGP SIGNATURE").unwrap().0;
    let head = signed.split_once("SHA256:\n").unwrap().0;
    let plain = Sha256::of(b"nobody reads it");
    let lines =
        format!(" {plain} {size} main/binary-amd64/Packages\n {} {} {name}\n", Sha256::of(packed), packed.len());
    let made = Time::now().unix() - 5;
    let text = format!("{head}SHA256:\n{lines}");
    fs::write(suite.join("InRelease"), ARCHIVE_KEY.sign_clear(&text, made).unwrap()).unwrap();
    desk.select(&desk.table("large", &desk.url("up"), "stable main amd64", more));
}

/// The stanza of the one package that the archive of [`select`] really has.
fn stanza_of_small(desk: &Desk) -> Vec<u8> {
    let mut upstream = Upstream::new("Large", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("small", "1", "amd64"));
    upstream.indexes = [SampleCompression::Plain].into();
    desk.archive("plain", &mut upstream, &["stable"]);
    fs::read(desk.path("plain/dists/stable/main/binary-amd64/Packages")).unwrap()
}

/// The text of an index of `count` packages, each of which depends on the next, with descriptions of `description` bytes.
fn chain(count: usize, description: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(count * (description + 400));
    let description = "d".repeat(description);
    for number in 0..count {
        let digest = Sha256::of(&number.to_le_bytes());
        writeln!(
            text,
            "Package: package-{number}\nSource: source-{number}\nVersion: 1.0-{number}\nInstalled-Size: 100\n\
             Maintainer: Large Archive <large@archive.invalid>\nArchitecture: amd64\nDepends: package-{}, package-{}\n\
             Description: {description}\nSection: misc\nPriority: optional\n\
             Filename: pool/main/p/package-{number}/package-{number}_1.0-{number}_amd64.deb\nSize: 1000\nSHA256: {digest}\n",
            (number / 40 * 40 + (number + 1) % 40) % count,
            (number / 40 * 40 + (number + 7) % 40) % count,
        )
        .unwrap();
    }
    text
}

/// Selects of `count` packages what `more` says. Returns the peak of an export in MiB, with what that printed.
pub(crate) fn peak_of_export(count: usize, description: usize, more: &str) -> (Ended, u64) {
    let desk = Desk::new();
    let text = chain(count, description);
    let packed = SampleCompression::Xz.pack(&text).unwrap();
    select(&desk, SampleCompression::Xz, &packed, text.len(), more);
    drop((text, packed));
    let (ended, mib) = measured(&desk, EXPORT);
    (ended.ok(), mib)
}

#[test]
fn a_closure_needs_no_memory_for_what_no_closure_reads() {
    let (ended, mib) = peak_of_export(6000, 24_000, "packages = [\"package-3\"]");
    assert!(ended.out.contains("40 files"), "{}", ended.out);
    assert!(mib < 100, "{mib} MiB for an index of 147 MB");
}

#[test]
fn whole_suites_are_chosen_in_little_memory() {
    let (ended, mib) = peak_of_export(6000, 24_000, "");
    assert!(ended.out.contains("6000 files"), "{}", ended.out);
    assert!(mib < 100, "{mib} MiB for an index of 147 MB");
}

#[test]
fn a_site_publishes_one_package_of_a_large_index_in_little_memory() {
    let desk = Desk::new();
    let text = [stanza_of_small(&desk), b"\n".to_vec(), chain(6000, 24_000)].concat();
    let packed = SampleCompression::Xz.pack(&text).unwrap();
    select(&desk, SampleCompression::Xz, &packed, text.len(), "packages = [\"small\"]");
    drop((text, packed));
    let bundle = desk.bundle();
    desk.init(&["large"], "");
    let (ended, mib) = measured(&desk, &format!("import {} --site site", bundle.display()));
    ended.ok();
    assert!(mib < 100, "{mib} MiB for an index of 147 MB");
    let published = fs::read_to_string(desk.path("site/current/apt/large/dists/stable/main/binary-amd64/Packages"));
    assert!(published.unwrap().starts_with("Package: small\n"));
}

/// An index of one field of 190 MiB, with a window of 128 MiB where the format has windows.
fn bomb(compression: SampleCompression) -> Vec<u8> {
    let (head, piece) = (b"Package: a\nDescription: ", vec![b'x'; 10 << 20]);
    let pour = |to: &mut dyn std::io::Write, pieces: usize| {
        to.write_all(head).unwrap();
        (0..pieces).for_each(|_| to.write_all(&piece).unwrap());
    };
    match compression {
        SampleCompression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(27).unwrap();
            pour(&mut encoder, 19);
            encoder.finish().unwrap()
        }
        SampleCompression::Xz => {
            let mut options = xz::LzmaOptions::new_preset(0).unwrap();
            options.dict_size(128 << 20);
            let stream = xz::Stream::new_stream_encoder(xz::Filters::new().lzma2(&options), xz::Check::Crc32).unwrap();
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            pour(&mut encoder, 1);
            encoder.finish().unwrap()
        }
        // Streams one after the other are one.
        other => [other.pack(head).unwrap(), other.pack(&piece).unwrap().repeat(19)].concat(),
    }
}

#[test]
fn bombs_in_indexes_are_refused_in_little_memory() {
    for (compression, reason) in [
        (SampleCompression::Zstd, "a window of 64 MiB, which gapferry allows: it must be compressed anew"),
        (SampleCompression::Xz, "a window of 64 MiB, which gapferry allows: it must be compressed anew"),
        (SampleCompression::Gzip, "a line of more than"),
        (SampleCompression::Bzip2, "a line of more than"),
    ] {
        let desk = Desk::new();
        let packed = bomb(compression);
        select(&desk, compression, &packed, 200 << 20, "packages = [\"a\"]");
        let (ended, mib) = measured(&desk, EXPORT);
        ended.says(Exit::VerificationFailed, &["cannot expand main/binary-amd64/Packages", reason]);
        assert!(mib < 100, "{mib} MiB, {compression:?}");
    }
}
