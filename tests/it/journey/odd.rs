//! Archives as they really are: what a stock apt takes from an upstream, it gets from the site.

use std::fs;

use gapferry::cli::Exit::VerificationFailed;
use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, SampleCompression};
use serde_json::json;

use super::odd_archive::{HEAD, OddArchive, PACKAGES, both_download, site_url, yesterday};
use crate::apt_client::{AptClient, output, run};
use crate::support::server::{Server, decoded};

#[test]
fn odd_entries_are_left_out_by_name() {
    let archive = OddArchive::new();
    let deb = |name: &str, version: &str| {
        let path = format!("pool/{}.deb", name.replace(' ', "-"));
        archive.deb(&DebSpec::new(name, version, "amd64"), &path, &path)
    };
    let text = [
        deb("hello", "1.0"),
        deb("md5", "1.0")
            .replace("SHA256", "X-SHA256")
            .replace("Size", "MD5sum: d41d8cd98f00b204e9800998ecf8427e\nSize"),
        deb("nofile", "1.0").replace("Filename", "X-Filename"),
        deb("slashed", "1.0/rc1"),
        deb("My Tool", "1.0"),
        deb("twice", "1.0").replace("Filename", "Filename: pool/wrong.deb\nFilename"),
        deb("blank", "1.0").replace("pool/blank", "pool/b lank"),
    ]
    .concat();
    archive.publish(&[(PACKAGES, text.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    let named = [
        "md5: it has no digest of SHA-256",
        "nofile: the field Filename is missing",
        "slashed: the field Version",
        "My Tool: the field Package",
    ];
    let suite = "odd: dists/stable/main/binary-amd64/Packages: ";

    let whole = archive.export(&url, "").ok().err;
    let all = [&named[..], &[suite, "blank: pool/b lank.deb is not a publish path", "5 unusable entries"]].concat();
    all.iter().for_each(|words| assert!(whole.contains(words), "{words:?} is not in: {whole}"));

    let some = archive.export(&url, "packages = [\"hello\", \"twice\"]").ok().err;
    named.iter().for_each(|words| assert!(some.contains(words), "{words:?} is not in: {some}"));
    for (asked, why) in
        [("md5", "no digest of SHA-256"), ("nofile", "Filename is missing"), ("blank", "not a publish path")]
    {
        archive.export(&url, &format!("packages = [\"{asked}\"]")).says(VerificationFailed, &[why]);
    }
    archive.select(&url, "packages = [\"hello\", \"twice\"]\npublish = \"re-indexed\"");
    both_download(&archive, &url, "hello twice", &["hello_1.0_amd64.deb", "twice_1.0_amd64.deb"]);
}

#[test]
fn an_odd_entry_of_the_target_counts_as_not_installed() {
    let archive = OddArchive::new();
    archive.publish_hello();
    let status = "Package: odd\nStatus: install ok installed\nVersion: 1.0/rc1\nArchitecture: amd64\n\n";
    archive.write("online/status", status.as_bytes());
    let exported = archive.export(&archive.desk.url("up"), "packages = [\"hello\"]\ninstalled = \"status\"").ok();
    assert!(
        exported.err.contains("status: 1 unusable entries are left out: odd: the field Version"),
        "{}",
        exported.err
    );
}

#[test]
fn paths_are_carried_however_they_are_written() {
    let archive = OddArchive::new();
    let deb = |name: &str, filename: &str| {
        archive.deb(&DebSpec::new(name, "1.0", "amd64"), &format!("pool/main/{name}.deb"), filename)
    };
    let text = [
        deb("absolute", "/pool/main/absolute.deb"),
        deb("double", "pool//main/double.deb"),
        deb("dotted", "./pool/./main/dotted.deb"),
    ]
    .concat();
    let (dsc, tar) = (b"Format: 3.0 (native)\n".as_slice(), b"tar".as_slice());
    let source = |name: &str, folder: &str, directory: &str| {
        let file = |suffix: &str, bytes: &[u8]| {
            archive.write(&format!("up/{folder}{name}_1.{suffix}"), bytes);
            format!(" {} {} {name}_1.{suffix}\n", Sha256::of(bytes), bytes.len())
        };
        format!(
            "Package: {name}\nBinary: {name}\nVersion: 1\nDirectory: {directory}\nChecksums-Sha256:\n{}{}\n",
            file("dsc", dsc),
            file("tar.xz", tar)
        )
    };
    let sources = [source("below", "pool/src/", "./pool//src"), source("top", "", ".")].concat();
    archive.publish(&[(PACKAGES, text.as_bytes()), ("main/source/Sources", sources.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    archive.select(&url, "deb-src = true");
    let files = ["absolute_1.0_amd64.deb", "dotted_1.0_amd64.deb", "double_1.0_amd64.deb"];
    both_download(&archive, &url, "absolute double dotted", &files);

    let serving = archive.desk.serve();
    let client = AptClient::new("amd64");
    let key = super::key(&archive.desk);
    client.source("deb-src", &site_url(&serving), "stable", "main", &key);
    for client in [archive.control(&url), client] {
        client.apt_get("update");
        client.apt_get("source --download-only below top");
        assert_eq!(["below_1.dsc", "top_1.tar.xz"].map(|file| client.path(file).exists()), [true, true]);
    }
}

#[test]
fn names_are_escaped_for_strict_servers() {
    let archive = OddArchive::new();
    let path = "pool/hello_1.0+b~rc1.deb";
    let text = archive.deb(&DebSpec::new("hello", "1.0+b~rc1", "amd64"), path, path);
    archive.publish(&[(PACKAGES, text.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let root = archive.desk.path("up");
    // As S3 does, it takes a raw `+` for a blank; and as strict servers do, it refuses what RFC 3986 does not allow.
    server.answer_all(move |request| {
        let path = request.path();
        let found = fs::read(root.join(decoded(&path.replace('+', " "))));
        match found {
            Ok(bytes) if !path.contains(['^', '~']) => (200, bytes),
            _ => (404, b"no such file".to_vec()),
        }
    });
    let url = server.url("").to_string();
    archive.select(&url, "packages = [\"hello\"]");
    both_download(&archive, &url, "hello", &["hello_1.0+b~rc1_amd64.deb"]);
}

#[test]
fn dates_are_read_as_apt_reads_them() {
    let time = yesterday();
    let [_, day, month, year, clock] =
        time.day_and_time().split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let year_of_1900 = year.parse::<u32>().unwrap() - 1900;
    for date in [
        format!("Mon, {day} {month} {year} {clock} UTC"),
        format!("Mon, {day} {month} {year} {clock} GMT"),
        format!("Mon, {day} {month} {year} {clock} +0000"),
        format!("Mon, {day} {month} {year} {clock} +0200"),
        format!("Mon, {day} {month} {year} 6:07:08 UTC"),
        format!("Mon., {day} {month} {year} {clock} UTC"),
        format!("Mon, {month} {day} {year} {clock} UTC"),
        format!("Mon {month} {day} {clock} {year}"),
        format!("Monday, {day}-{month}-{year_of_1900} {clock} GMT"),
        format!("{day} {month} {year} {clock} UTC"),
        format!("{year}-11-{day}T{clock}Z"),
        "yesterday".to_owned(),
    ] {
        let archive = OddArchive { head: format!("{HEAD}Date: {date}\n").into_bytes(), ..OddArchive::new() };
        archive.publish_hello();
        let updated = output(archive.control(&archive.desk.url("up")).command("apt-get").arg("update"));
        let complaints = String::from_utf8_lossy(&updated.stderr);
        assert!(updated.status.success(), "{date}: {complaints}");
        let is_unreadable = complaints.contains("Invalid 'Date' entry");
        let exported = archive.export(&archive.desk.url("up"), "").ok();
        assert_eq!(exported.err.contains("counts as undated"), is_unreadable, "{date}: {complaints} {}", exported.err);
    }
}

#[test]
fn the_next_form_of_an_index_is_taken_if_the_first_is_missing() {
    let archive = OddArchive::new();
    let text = archive.package("hello");
    let [xz, gz] =
        [SampleCompression::Xz, SampleCompression::Gzip].map(|packing| packing.pack(text.as_bytes()).unwrap());
    let forms = ["main/binary-amd64/Packages.xz", "main/binary-amd64/Packages.gz"];
    archive.publish(&[(PACKAGES, text.as_bytes()), (forms[0], &xz), (forms[1], &gz)]);
    for missing in [PACKAGES, forms[0]] {
        fs::remove_file(archive.desk.path("up/dists/stable").join(missing)).unwrap();
    }
    archive.hello_arrives();
}

#[test]
fn padding_behind_a_compressed_index_is_ignored() {
    for padding in [&[0; 512][..], b"\n\n"] {
        let archive = OddArchive::new();
        let text = archive.package("hello");
        let padded = [&SampleCompression::Gzip.pack(text.as_bytes()).unwrap()[..], padding].concat();
        let form = "main/binary-amd64/Packages.gz";
        archive.publish(&[(PACKAGES, text.as_bytes()), (form, &padded)]);
        fs::remove_file(archive.desk.path("up/dists/stable").join(PACKAGES)).unwrap();
        archive.hello_arrives();
    }
}

#[test]
fn an_archive_of_architecture_all_alone_serves_every_architecture() {
    let head = HEAD.replace("amd64", "all");
    let archive = OddArchive {
        head: format!("{head}Date: {} UTC\n", yesterday().day_and_time()).into_bytes(),
        ..OddArchive::new()
    };
    let text = archive.deb(&DebSpec::new("hello", "1.0", "all"), "pool/hello.deb", "pool/hello.deb");
    archive.publish(&[("main/binary-all/Packages", text.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    archive.select(&url, "packages = [\"hello\"]");
    both_download(&archive, &url, "hello", &["hello_1.0_all.deb"]);
}

#[test]
fn a_release_is_read_as_apt_reads_it() {
    let mut archive = OddArchive::new();
    archive.head.extend_from_slice(b"Label: Caf\xe9\nDescription: folded\n over two lines\n");
    archive.tail = "\nSuite: second\nAnother: paragraph\n".to_owned();
    archive.publish_hello();
    archive.hello_arrives();
}

#[test]
fn a_component_with_a_slash_is_found_by_its_whole_path() {
    let mut archive = OddArchive::new();
    archive.component = "stable/v14";
    let head = HEAD.replace("main", archive.component);
    archive.head = format!("{head}Date: {} UTC\n", yesterday().day_and_time()).into_bytes();
    let text = archive.package("hello");
    archive.publish(&[("stable/v14/binary-amd64/Packages", text.as_bytes())]);
    archive.hello_arrives();
}

#[test]
fn packages_that_upstream_lacks_are_left_out_on_request() {
    let archive = OddArchive::new();
    let text = ["hello", "gone", "other"].map(|name| archive.package(name)).concat();
    archive.publish(&[(PACKAGES, text.as_bytes())]);
    fs::remove_file(archive.desk.path("up/pool/gone.deb")).unwrap();
    archive.write("up/pool/other.deb", b"other bytes");
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    archive.select(&url, "");
    archive.desk.export("").says(VerificationFailed, &["pool/gone.deb does not exist", "pool/other.deb"]);
    archive.select(&url, "missing = \"leave-out\"");
    let collected = archive.desk.export("--collect-only").ok().err;
    for name in ["gone", "other"] {
        assert!(collected.contains(&format!("odd: left out {name} 1.0 amd64")), "{collected}");
    }
    both_download(&archive, &url, "hello", &["hello_1.0_amd64.deb"]);
    let shown = archive.desk.run("inspect medium/dc1-base-000001 --json").ok().json();
    let left_out = |name: &str| {
        let why = "upstream lists it and does not have it";
        json!({ "collection": "apt/odd", "what": format!("{name} 1.0 amd64"), "why": why })
    };
    assert_eq!(shown["left_out"], json!([left_out("gone"), left_out("other")]));
    let site = AptClient::new("amd64");
    let serving = archive.desk.serve();
    site.source("deb", &site_url(&serving), "stable", "main", &super::key(&archive.desk));
    site.apt_get("update");
    let names = run(site.command("apt-cache").arg("pkgnames"));
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), ["hello"]);
}

#[test]
fn a_fault_in_one_suite_leaves_the_package_in_the_others() {
    let archive = OddArchive::new();
    let good = archive.package("hello");
    archive.publish(&[(PACKAGES, good.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    let select = |more: &str| archive.desk.select(&archive.desk.table("odd", &url, "stable,second main amd64", more));

    let weak = good.replace("Package: hello", "Package: weak").replace("SHA256", "X-SHA256");
    let second = [good.replace("pool/hello", "pool/h ello"), weak].concat();
    archive.publish_suite("second", &[(PACKAGES, second.as_bytes())]);
    select("packages = [\"hello\"]");
    let exported = archive.desk.export("--dry-run").ok().err;
    let suite = "odd: dists/second/main/binary-amd64/Packages: 2 unusable entries are left out: ";
    for words in [suite, "hello: pool/h ello.deb is not a publish path", "weak: it has no digest of SHA-256"] {
        assert!(exported.contains(words), "{words:?} is not in: {exported}");
    }

    let spec = DebSpec { depends: "other".into(), ..DebSpec::new("hello", "1.0", "amd64") };
    let other_build = archive.deb(&spec, "pool/second.deb", "pool/second.deb");
    fs::remove_file(archive.desk.path("up/pool/second.deb")).unwrap();
    archive.publish_suite("second", &[(PACKAGES, other_build.as_bytes())]);
    select("missing = \"leave-out\"");
    let collected = archive.desk.export("--collect-only").ok().err;
    assert!(collected.contains("odd: left out hello 1.0 amd64"), "{collected}");
    both_download(&archive, &url, "hello", &["hello_1.0_amd64.deb"]);
}

/// Lines of the Release that apt never needs: a second one for a file, a size that is not a number, a digest of another kind.
#[test]
fn lines_of_a_release_that_nobody_needs_may_be_odd() {
    for line in [
        format!(" {} 7 {PACKAGES}\n", "0".repeat(64)),
        format!(" {} -1 main/strange\n", "0".repeat(64)),
        format!(" {} 1 main/other\n", "0".repeat(40)),
    ] {
        let archive = OddArchive { tail: line, ..OddArchive::new() };
        archive.publish_hello();
        archive.hello_arrives();
    }
}

/// Two indexes of one archive list a file with different digests, as of two builds. The one that is there is carried.
#[test]
fn carries_the_true_one_of_two_digests_of_a_file_on_request() {
    let head = HEAD.replace("amd64", "amd64 i386");
    let head = format!("{head}Date: {} UTC\n", yesterday().day_and_time()).into_bytes();
    let archive = OddArchive { head, ..OddArchive::new() };
    let text = archive.deb(&DebSpec::new("hello", "1.0", "all"), "pool/hello.deb", "pool/hello.deb");
    let digest = archive.digest(&fs::read(archive.desk.path("up/pool/hello.deb")).unwrap());
    let other = text.replace(&digest, &"0".repeat(64));
    archive.publish(&[(PACKAGES, text.as_bytes()), ("main/binary-i386/Packages", other.as_bytes())]);
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    let select = |more: &str| archive.desk.select(&archive.desk.table("odd", &url, "stable main amd64,i386", more));
    select("");
    archive.desk.export("").says(VerificationFailed, &["pool/hello.deb has sha256", "is signed"]);
    select("missing = \"leave-out\"");
    both_download(&archive, &url, "hello", &["hello_1.0_all.deb"]);
}

/// apt reads nothing of an index that has such a line. The site's index has the other entries.
#[test]
fn an_entry_that_apt_cannot_read_is_left_out_by_name() {
    let archive = OddArchive::new();
    let stray = archive.package("stray").replace("Filename", "a line without a colon\nFilename");
    let comment = format!("# made by a script\n{}", archive.package("comment"));
    let text = [comment, archive.package("hello"), stray].concat();
    archive.publish(&[(PACKAGES, text.as_bytes())]);
    let url = archive.desk.url("up");
    let control = archive.control(&url);
    let updated = output(control.command("apt-get").arg("update"));
    assert!(!updated.status.success());

    let exported = archive.export(&url, "").ok().err;
    for name in ["comment", "stray"] {
        assert!(exported.contains(&format!("{name}: it has a line that is no field")), "{exported}");
    }
    archive.desk.init(&["odd"], "");
    archive.desk.ferry();
    let client = super::client(&archive.desk, "odd", "stable", "main");
    client.updates_without_complaint("");
    client.apt_get("install -y --download-only hello");
}

/// apt looks for an index by the very path that Release lists, and finds none under another spelling of it.
#[test]
fn indexes_that_apt_does_not_find_in_a_release_are_named() {
    let archive = OddArchive::new();
    archive.publish_hello();
    let url = archive.desk.url("up");
    let dotted = format!("./{PACKAGES}");
    let hello = archive.package("hello");
    archive.publish(&[(&dotted, hello.as_bytes())]);
    let control = archive.control(&url);
    control.apt_get("update");
    assert!(!run(control.command("apt-cache").arg("pkgnames")).contains("hello"));
    let words = [&format!("lists {dotted}"), "finds no index", "Upstream must list it so"];
    archive.export(&url, "").says(VerificationFailed, &words);

    // What apt finds beside it is carried.
    let tail = format!(" {} {} ./main/source/Sources\n", "0".repeat(64), 7);
    let archive = OddArchive { tail, ..archive };
    archive.publish(&[(PACKAGES, hello.as_bytes())]);
    archive.export(&url, "deb-src = true").says(VerificationFailed, &["lists ./main/source/Sources"]);
    archive.hello_arrives();
}
