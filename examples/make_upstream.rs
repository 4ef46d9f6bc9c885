//! Writes a signed upstream of generated content, for benchmarks and as seeds for fuzzing.
//!
//! `make_upstream DIR COUNT SIZE SEED` writes an archive of COUNT packages of SIZE incompressible bytes each. DIR gets `dists/`,
//! `pool/`, and the key that signed them as `keyring.gpg` and `keyring.asc`. The suite is `stable`, the component `main`. With
//! SIZE 200000000 and COUNT 1 it is one large package.
//!
//! `make_upstream images-large DIR SERIAL...` writes an image stream: for each serial, such as `20250718`, 1.5 GB in what a
//! mirror holds as 29 files, three of them metadata. `make_upstream images-tiny DIR SERIAL...` writes one with 1,600 files of
//! 1 to 4 KiB in one products file. DIR gets `streams/`, payload, and the keyrings. Payload that is there already is kept, so
//! a second call with one more serial adds what an upstream adds in a day.
//!
//! `make_upstream snaps DIR COUNT SIZE SEED` writes COUNT apps of SIZE incompressible bytes each, `bulk-0` and so on, their base
//! `bulk-base` and a `snapd`, in revision 1, as `snap download` leaves them: NAME_1.snap with NAME_1.assert. Only a gapferry that
//! trusts the tests' root takes them.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

use gapferry::formats::assertions::{Sha3, Sha3State};
use gapferry::formats::openpgp::SiteKey;
use gapferry::upstream::assertions::TestAuthority;
use gapferry::upstream::{
    DEFAULT_DATE, DebSpec, Payload, SampleCompression, SnapSpec, Stream, StreamItem, StreamVersion, UbuntuSerial,
    Upstream, bulk, write_snap,
};
use serde_json::json;

const USAGE: &str = "usage: make_upstream DIR COUNT SIZE SEED
       make_upstream images-large|images-tiny DIR SERIAL...
       make_upstream snaps DIR COUNT SIZE SEED";

/// The publisher of the snaps.
const PUBLISHER: &str = "bulkPublisherBulkPublisherBulkPu";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["images-large", dir, serials @ ..] if !serials.is_empty() => write_stream(Path::new(dir), large(serials)),
        ["images-tiny", dir, serials @ ..] if !serials.is_empty() => write_stream(Path::new(dir), tiny(serials)),
        ["snaps", dir, count, size, seed] => write_snaps(Path::new(dir), count, size, seed),
        [dir, count, size, seed] => write_archive(Path::new(dir), count, size, seed),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make_upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_archive(dir: &Path, count: &str, size: &str, seed: &str) -> Result<(), Box<dyn Error>> {
    let key = SiteKey::generate("Generated Archive <archive@example.invalid>", DEFAULT_DATE)?;
    let mut upstream = Upstream::new("Generated", &["amd64"]);
    let size = size.parse()?;
    // Compressing what does not compress would only cost time where there is much of it.
    let packing = if size > 1_000_000 { SampleCompression::Plain } else { SampleCompression::Gzip };
    for deb in bulk(count.parse()?, size, seed.parse()?) {
        upstream.add("stable", "main", DebSpec { packing, ..deb });
    }
    upstream.write_to(dir, &key)?;
    // Real archives have both forms of the signature, and some mirroring tools ask for the older one.
    upstream.split_signature = true;
    upstream.write_to(dir, &key)?;
    write_keyrings(dir, &key)
}

fn write_stream(dir: &Path, stream: Stream) -> Result<(), Box<dyn Error>> {
    let key = SiteKey::generate("Generated Images <images@example.invalid>", DEFAULT_DATE)?;
    stream.write_to(dir, &key)?;
    write_keyrings(dir, &key)
}

fn write_keyrings(dir: &Path, key: &SiteKey) -> Result<(), Box<dyn Error>> {
    fs::write(dir.join("keyring.gpg"), key.public_binary()?)?;
    fs::write(dir.join("keyring.asc"), key.public_armored()?)?;
    Ok(())
}

/// Two releases of four kernels, with about the sizes of the real ones, and bootloaders: 26 files of a serial.
fn large(serials: &[&str]) -> Stream {
    let mut stream = Stream::new("stable");
    for serial in serials {
        for (release, version) in [("jammy", "22.04"), ("noble", "24.04")] {
            let [ga, hwe] = [format!("ga-{version}"), format!("hwe-{version}")];
            let low = [format!("{ga}-lowlatency"), format!("{hwe}-lowlatency")];
            let of_kernels =
                UbuntuSerial::new(release, version, "amd64", serial).kernels(&[&ga, &hwe, &low[0], &low[1]]);
            stream.ubuntu(&UbuntuSerial {
                squashfs_bytes: 310_000_000,
                initrd_bytes: 96_000_000,
                kernel_bytes: 14_000_000,
                ..of_kernels
            });
        }
        stream.bootloaders(&format!("{serial}.0"));
    }
    stream
}

/// 400 products that share nothing, of four files each.
fn tiny(serials: &[&str]) -> Stream {
    let mut stream = Stream::new("stable");
    let content_id = stream.ubuntu_id();
    for serial in serials {
        for number in 0..400_u64 {
            let subarch = format!("ga-22.04-{number:03}");
            let name = format!("com.ubuntu.maas.stable:v3:boot:22.04:amd64:{subarch}");
            let tags = json!({
                "arch": "amd64", "kflavor": "generic", "krel": "jammy", "label": "stable", "os": "ubuntu",
                "release": "jammy", "release_title": "22.04 LTS", "subarch": subarch, "subarches": subarch,
                "version": "22.04",
            });
            let names = ["boot-initrd", "boot-kernel", "squashfs", "manifest"];
            let item = |(place, name)| {
                let size = 1024 + (number * 4 + place) * 1543 % 3073;
                StreamItem::noise(name, &format!("jammy/amd64/{serial}/{subarch}/{name}"), size)
            };
            let items = (0..).zip(names).map(item).collect();
            stream.product(&content_id, &name, tags, StreamVersion::new(serial, items));
        }
    }
    stream
}

fn write_snaps(dir: &Path, count: &str, size: &str, seed: &str) -> Result<(), Box<dyn Error>> {
    let (count, size, seed): (u64, u64, u64) = (count.parse()?, size.parse()?, seed.parse()?);
    fs::create_dir_all(dir)?;
    for number in 0..count {
        let noise = Payload::Pseudorandom { size, seed: seed ^ (number << 32) };
        let app = SnapSpec::new(&format!("bulk-{number}"), "1.0").with_file("noise", noise);
        write_snap_of(dir, &SnapSpec { base: Some("bulk-base".into()), ..app })?;
    }
    write_snap_of(dir, &SnapSpec::of_kind("base", "bulk-base", "24"))?;
    write_snap_of(dir, &SnapSpec::of_kind("snapd", "snapd", "2.70"))
}

/// Writes one snap in revision 1, and what is signed about it.
fn write_snap_of(dir: &Path, spec: &SnapSpec) -> Result<(), Box<dyn Error>> {
    let store = TestAuthority::trusted_in_tests().ok_or("no keys can be made")?;
    let path = dir.join(format!("{}_1.snap", spec.name));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    write_snap(spec, &mut file)?;
    file.flush()?;
    let id = format!("{:0<32}", spec.name.replace('-', ""));
    let said = [
        store.account(PUBLISHER, "bulk-publisher", "verified"),
        store.snap_declaration(&id, &spec.name, PUBLISHER),
        store.snap_revision(sha3(&path)?, fs::metadata(&path)?.len(), &id, 1, PUBLISHER),
    ];
    let mut stream = vec![store.store_key().to_vec()];
    for draft in said {
        stream.push(draft.sign(&store.store)?);
    }
    Ok(fs::write(path.with_extension("assert"), stream.join(&b"\n"[..]))?)
}

fn sha3(path: &Path) -> Result<Sha3, Box<dyn Error>> {
    let (mut file, mut state) = (File::open(path)?, Sha3State::default());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(state.finish()),
            length => state.update(&buffer[..length]),
        }
    }
}
