//! The shapes in which an archive can be: signatures, compressions, by-hash, architectures, pockets, sources.

use std::fs;

use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, SampleCompression, SourceSpec, Upstream};

use super::{candidate, client, items, key};
use crate::apt_client::{AptClient, run};
use crate::support::desk::{ARCHIVE_KEY, Desk, names};

fn hello() -> Upstream {
    let mut upstream = Upstream::new("Shapes", &["amd64"]);
    upstream.add("stable", "main", DebSpec { depends: "libgap1".into(), ..DebSpec::new("hello", "1.0-1", "amd64") });
    upstream.add("stable", "main", DebSpec::new("libgap1", "1.0-1", "amd64"));
    upstream.add("stable", "main", DebSpec::new("unwanted", "1.0-1", "amd64"));
    upstream
}

/// Carries `hello` from an archive that `change` made different, and lets apt install it.
fn hello_arrives(change: impl FnOnce(&mut Upstream), after: impl FnOnce(&Desk)) {
    let desk = Desk::new();
    let mut upstream = hello();
    change(&mut upstream);
    desk.archive("up", &mut upstream, &["stable"]);
    after(&desk);
    desk.select(&desk.table("shape", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    desk.init(&["shape"], "");
    desk.ferry();
    let client = client(&desk, "shape", "stable", "main");
    client.apt_get("update");
    assert_eq!(client.would_install("hello"), ["hello", "libgap1"]);
}

#[test]
fn a_release_signed_beside_itself() {
    hello_arrives(
        |upstream| upstream.split_signature = true,
        |desk| assert!(!desk.path("up/dists/stable/InRelease").exists()),
    );
}

#[test]
fn every_compression_alone() {
    for packing in SampleCompression::ALL {
        let alone = |upstream: &mut Upstream| (upstream.indexes, upstream.by_hash) = ([packing].into(), false);
        hello_arrives(alone, |desk| {
            let indexes = names(&desk.path("up/dists/stable/main/binary-amd64"));
            assert_eq!(indexes, [format!("Packages{}", packing.suffix())]);
        });
    }
}

#[test]
fn indexes_by_hash_only() {
    let only_by_hash = |desk: &Desk| {
        let folder = desk.path("up/dists/stable/main/binary-amd64");
        names(&folder).iter().filter(|name| *name != "by-hash").for_each(|n| fs::remove_file(folder.join(n)).unwrap());
    };
    hello_arrives(|_| (), only_by_hash);
}

#[test]
fn by_hash_promised_and_not_there() {
    let no_by_hash = |desk: &Desk| fs::remove_dir_all(desk.path("up/dists/stable/main/binary-amd64/by-hash")).unwrap();
    hello_arrives(|_| (), no_by_hash);
}

#[test]
fn several_suites_and_components_solved_together() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Pockets", &["amd64"]);
    let hello =
        |version: &str, depends: &str| DebSpec { depends: depends.into(), ..DebSpec::new("hello", version, "amd64") };
    upstream
        .add("stable", "main", hello("1.0-1", "libgap1"))
        .add("stable", "main", DebSpec::new("libgap1", "1.0-1", "amd64"))
        .add("stable-security", "main", hello("1.0-1+sec1", "libgap1, extra"))
        .add("stable-updates", "main", DebSpec::new("libgap1", "1.1-1", "amd64"))
        .add("stable", "universe", DebSpec::new("extra", "3", "all"));
    let suites = ["stable", "stable-updates", "stable-security"];
    desk.archive("up", &mut upstream, &suites);
    let what = "stable,stable-updates,stable-security main,universe amd64";
    desk.select(&desk.table("pockets", &desk.url("up"), what, "packages = [\"hello\"]"));
    desk.init(&["pockets"], "");
    let bundle = desk.bundle();
    assert_eq!(items(&desk, &bundle), ["extra_3_all", "hello_1.0-1+sec1_amd64", "libgap1_1.1-1_amd64"]);
    desk.import(&bundle).ok();
    let client = client(&desk, "pockets", "stable stable-updates stable-security", "main universe");
    client.apt_get("update");
    assert_eq!(client.would_install("hello"), ["extra", "hello", "libgap1"]);
    assert_eq!(candidate(&client, "libgap1"), "1.1-1");
}

#[test]
fn two_architectures() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Arches", &["amd64", "i386"]);
    for architecture in ["amd64", "i386"] {
        let game = DebSpec { depends: "libgap1, game-data".into(), ..DebSpec::new("game", "1", architecture) };
        let library = DebSpec { multi_arch: "same".into(), ..DebSpec::new("libgap1", "1", architecture) };
        upstream.add("stable", "main", game).add("stable", "main", library);
    }
    upstream.add("stable", "main", DebSpec { multi_arch: "foreign".into(), ..DebSpec::new("game-data", "1", "all") });
    desk.archive("up", &mut upstream, &["stable"]);
    let more = "packages = [\"game:i386\", \"libgap1\"]";
    desk.select(&desk.table("arches", &desk.url("up"), "stable main amd64,i386", more));
    desk.init(&["arches"], "");
    let bundle = desk.bundle();
    assert_eq!(items(&desk, &bundle), ["game-data_1_all", "game_1_i386", "libgap1_1_amd64", "libgap1_1_i386"]);
    desk.import(&bundle).ok();
    let client = client(&desk, "arches", "stable", "main");
    let both = "-o APT::Architectures::=i386";
    client.apt_get(&format!("update {both}"));
    assert_eq!(client.would_install(&format!("{both} game:i386 libgap1")).len(), 4);
}

#[test]
fn an_architecture_that_the_archive_lacks_is_an_error() {
    let desk = Desk::new();
    desk.archive("up", &mut hello(), &["stable"]);
    desk.select(&desk.table("shape", &desk.url("up"), "stable main amd64,riscv64", "packages = [\"hello\"]"));
    desk.export("").says(gapferry::cli::Exit::Usage, &["riscv64", "amd64"]);
}

/// Debian's own layout where a Release names `all`: its packages stand in binary-all and nowhere else.
#[test]
fn an_index_of_its_own_for_architecture_all() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Shapes", &["amd64", "all"]);
    upstream.indexes = [SampleCompression::Plain].into();
    upstream.by_hash = false;
    upstream.add("stable", "main", DebSpec { depends: "gap-data".into(), ..DebSpec::new("hello", "1.0-1", "amd64") });
    upstream.add("stable", "main", DebSpec::new("gap-data", "1.0-1", "all"));
    desk.archive("up", &mut upstream, &["stable"]);
    only_in_binary_all(&desk);
    desk.select(&desk.table("shape", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    desk.init(&["shape"], "");
    desk.ferry();
    let client = client(&desk, "shape", "stable", "main");
    client.apt_get("update");
    assert_eq!(client.would_install("hello"), ["gap-data", "hello"]);
}

/// Takes what is in binary-all out of binary-amd64, and signs again.
fn only_in_binary_all(desk: &Desk) {
    let suite = desk.path("up/dists/stable");
    let index = suite.join("main/binary-amd64/Packages");
    let before = fs::read(&index).unwrap();
    let text = String::from_utf8(before.clone()).unwrap();
    let kept: String = text.split_inclusive("\n\n").filter(|stanza| !stanza.contains("Architecture: all")).collect();
    fs::write(&index, &kept).unwrap();
    let in_release = fs::read_to_string(suite.join("InRelease")).unwrap();
    let signed = in_release.split_once("\n\n").unwrap().1.split_once("-----BEGIN PGP SIGNATURE").unwrap().0;
    let line = |bytes: &[u8]| format!(" {} {:>10} ", Sha256::of(bytes), bytes.len());
    let release = signed.replace(&line(&before), &line(kept.as_bytes()));
    assert_ne!(release, signed);
    fs::write(
        suite.join("InRelease"),
        ARCHIVE_KEY.sign_clear(&release, gapferry::time::Time::now().unix() - 5).unwrap(),
    )
    .unwrap();
}

#[test]
fn a_whole_suite_with_its_sources() {
    let desk = Desk::new();
    let mut upstream = hello();
    upstream.add_source("stable", "main", SourceSpec::new("hello", "1.0-1"));
    upstream.add_source("stable", "main", SourceSpec::new("unwanted", "1.0-1"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("whole", &desk.url("up"), "stable main amd64", "deb-src = true"));
    desk.init(&["whole"], "");
    let bundle = desk.bundle();
    let expected = ["hello", "hello", "hello", "libgap1", "unwanted", "unwanted", "unwanted"];
    let found: Vec<String> = items(&desk, &bundle).iter().map(|i| i.split('_').next().unwrap().to_owned()).collect();
    assert_eq!(found, expected, "three debs, and a .dsc and a tarball for two of them");
    desk.import(&bundle).ok();
    get_source(&desk, "whole", "unwanted");
}

#[test]
fn the_sources_of_what_is_selected() {
    let desk = Desk::new();
    let mut upstream = hello();
    upstream.add(
        "stable",
        "main",
        DebSpec { source: "gap (2.0-1)".into(), ..DebSpec::new("gap-tools", "1:2.0-1+b1", "amd64") },
    );
    upstream.add_source(
        "stable",
        "main",
        SourceSpec { binaries: "gap-tools".into(), ..SourceSpec::new("gap", "2.0-1") },
    );
    upstream.add_source("stable", "main", SourceSpec::new("hello", "1.0-1"));
    desk.archive("up", &mut upstream, &["stable"]);
    let more = "packages = [\"gap-tools\"]\ndeb-src = true";
    desk.select(&desk.table("src", &desk.url("up"), "stable main amd64", more));
    desk.init(&["src"], "");
    let bundle = desk.bundle();
    assert_eq!(items(&desk, &bundle), ["gap-tools_1:2.0-1+b1_amd64", "gap_2.0-1_source", "gap_2.0-1_source"]);
    desk.import(&bundle).ok();
    get_source(&desk, "src", "gap");
}

fn get_source(desk: &Desk, name: &str, package: &str) {
    let client = AptClient::new("amd64");
    let url = format!("file://{}/apt/{name}", desk.path("site/current").display());
    client.source("deb deb-src", &url, "stable", "main", &key(desk));
    client.apt_get("update");
    fs::create_dir(client.path("src")).unwrap();
    run(client.command("apt-get").current_dir(client.path("src")).args(["source", "--download-only", package]));
    assert_eq!(names(&client.path("src")).len(), 2, "{:?}", names(&client.path("src")));
}

#[test]
fn sources_that_the_archive_lacks_are_an_error() {
    let desk = Desk::new();
    desk.archive("up", &mut hello(), &["stable"]);
    desk.select(&desk.table("shape", &desk.url("up"), "stable main amd64", "deb-src = true\npackages = [\"hello\"]"));
    desk.export("").says(gapferry::cli::Exit::Usage, &["source"]);
}
