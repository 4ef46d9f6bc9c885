//! Tests of the parsers, with rpm itself as the judge of versions.

use std::cmp::Ordering;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::digest::Sha256;
use crate::formats::Invalid;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn element(inner: &str) -> String {
    format!(
        "<package type=\"rpm\"><name>a</name><arch>noarch</arch><version epoch=\"0\" ver=\"1\" rel=\"2\"/>\
         <checksum type=\"sha256\" pkgid=\"YES\">{DIGEST}</checksum><size package=\"7\"/><location href=\"p/a.rpm\"/>{inner}</package>"
    )
}

fn list(elements: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata packages=\"1\" xmlns:rpm='u\"v'>\n{elements}\n</metadata>\n"
    )
}

fn read(text: &str) -> Result<Vec<Package>, Invalid> {
    let mut found = Vec::new();
    packages(text.as_bytes(), |entry, bytes| {
        let package = entry.map_err(|entry| entry.reason)?;
        assert_eq!(package::parse(bytes).unwrap().unwrap(), package);
        found.push(package);
        Ok::<(), Invalid>(())
    })?;
    Ok(found)
}

fn repomd(data: &str) -> String {
    format!("<repomd><revision>1700000000</revision>{data}</repomd>")
}

fn data(kind: &str, more: &str) -> String {
    format!(
        "<data type=\"{kind}\"><checksum type=\"sha256\">{DIGEST}</checksum><location href=\"repodata/{kind}.xml\"/>\
         <timestamp>1600000000.5</timestamp><size>3</size>{more}</data>"
    )
}

#[test]
fn a_package() {
    let package = &read(&list(&element("<format><rpm:vendor>A &amp; &#66;</rpm:vendor></format>"))).unwrap()[0];
    assert_eq!((package.vendor.as_str(), package.nevra().as_str()), ("A & B", "a-0:1-2.noarch"));
    assert_eq!((package.file.as_str(), package.size, package.evr.to_string()), ("p/a.rpm", 7, "1-2".to_owned()));
    let empty_base = element("").replace("href=", "xml:base=\"\" href=");
    assert_eq!(read(&list(&empty_base)).unwrap()[0].file.as_str(), "p/a.rpm");
}

#[test]
fn the_source_is_named_by_its_file_unless_it_is_the_package_itself() {
    let package = |source: &str, licence: &str| {
        let [source, licence] = [source, licence].map(quick_xml::escape::escape);
        let inner =
            format!("<format><rpm:license>{licence}</rpm:license><rpm:sourcerpm>{source}</rpm:sourcerpm></format>");
        read(&list(&element(&inner))).unwrap().remove(0)
    };
    for (source, wanted) in [
        ("b-c-3-4.src.rpm", Some(("b-c", "3-4"))),
        ("a-1-3.nosrc.rpm", Some(("a", "1-3"))),
        ("a-1-2.src.rpm", None),
        ("a-1-2.rpm", None),
        ("-1-3.src.rpm", None),
        ("src.rpm", None),
        ("", None),
    ] {
        let package = package(source, "MIT & BSD");
        assert_eq!(package.source().map(|source| (source.name, source.version)), wanted, "{source}");
        assert_eq!(package.licence, "MIT & BSD");
    }
    assert_eq!(package("", &"ü".repeat(3000)).licence, "ü".repeat(2048), "a long licence is cut");
}

#[test]
fn what_no_package_may_be() {
    let good = element("");
    for (bad, words) in [
        (good.replace("sha256", "sha"), "\"sha\", which is broken"),
        (good.replace("sha256", "sha224"), "only sha256, sha384 and sha512"),
        (good.replace(" type=\"sha256\"", ""), "has no checksum"),
        (good.replace("p/a.rpm", ".."), "unusable path"),
        (good.replace("href=\"p/a.rpm\"", ""), "has no location"),
        (good.replace("p/a.rpm", "http://a/b"), "unusable path"),
        (good.replace("href=", "xml:base=\"media://evil/\" href="), "another base"),
        (good.replace("<name>a</name>", ""), "malformed name"),
        (good.replace("<name>a</name>", "<name>a b </name>"), "malformed name"),
        (good.replace("package=\"7\"", "package=\"-7\""), "malformed size"),
        (good.replace("epoch=\"0\"", "epoch=\"x\""), "malformed epoch"),
        (good.replace(DIGEST, "12"), "malformed checksum"),
        (element("&evil;"), "entity of its own"),
        (element(&"<a>".repeat(20)), "too deep"),
        (good.replace("</package>", ""), "no usable XML"),
        ("text".to_owned(), "text between"),
        ("<patch/>".to_owned(), "other than packages"),
    ] {
        let error = read(&list(&bad)).unwrap_err().to_string();
        assert!(error.contains(words), "{bad}: {error}");
    }
    for (text, words) in [
        (format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", list(&good)), "document type"),
        (list(&good).replace("UTF-8", "UTF-16"), "encoding"),
        (list(&good) + "<more/>", "behind its end"),
        (list(&good).replace("metadata", "filelists"), "<metadata> is expected"),
        ("<metadata>".to_owned(), "end in the middle"),
        (String::new(), "<metadata> is expected"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_cut_list_has_the_bytes_of_what_stays() {
    let [one, two] = ["one", "two"].map(|name| element("<format>\r\n<!-- ü --></format>").replace("p/a", name));
    let text = list(&format!("{one}\n\t{two}"));
    let open = || Ok::<_, Invalid>(text.as_bytes());
    let cut = cut_packages(open, 7, |package| package.file.as_str() == "two.rpm").unwrap();
    let mut found = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(cut.bytes.as_slice()), &mut found).unwrap();
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata packages=\"1\" xmlns:rpm='u\"v'>\n";
    assert_eq!(found, format!("{head}{two}\n</metadata>"));
    assert_eq!((cut.open_sha256, cut.open_size), (Sha256::of(found.as_bytes()), found.len() as u64));
}

#[test]
fn a_cut_list_leads_to_the_files_of_the_site() {
    let tag = "<location href=\"p/a.rpm\"/>";
    for (upstream, ours) in [
        ("<location xml:base=\"\" href='../b>l/a b.rpm'/>", "<location href=\"_parent/b%3El/a%20b.rpm\"/>"),
        ("<location xml:base='http://b/x' href='a.rpm'/>", "<location href=\"_base/b/x/a.rpm\"/>"),
        ("<location\n href='../a.rpm'></location>", "<location href=\"_parent/a.rpm\"></location>"),
        (tag, tag),
    ] {
        let inner = "<x><location href='../a.rpm'/></x><!-- <location href='../a.rpm'/> -->";
        let one = element(inner).replace(tag, upstream);
        let text = list(&one);
        let cut = cut_packages(|| Ok::<_, Invalid>(text.as_bytes()), 1, |_| true).unwrap();
        let mut found = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(cut.bytes.as_slice()), &mut found).unwrap();
        assert!(found.contains(&one.replace(upstream, ours)), "{found}");
    }
}

#[test]
fn a_repomd() {
    let text =
        repomd(&(data("primary", "<open-size>9</open-size>") + &data("primary_db", "") + &data("primary_db", "")));
    let parsed = Repomd::parse(text.as_bytes(), is_carried).unwrap();
    assert_eq!(parsed.date.unwrap().unix(), 1_700_000_000);
    let primary = parsed.get("primary").unwrap();
    assert_eq!((primary.size, primary.open_size, primary.open_digest), (3, Some(9), None));
    assert_eq!(parsed.data.len(), 1);
    let again = repomd(&(data("primary", "").repeat(2) + &data("x", "").replace("sha256", "md5") + &data("y", "")));
    let again = Repomd::parse(again.as_bytes(), |_| true).unwrap();
    assert_eq!(again.data.iter().map(|data| data.kind.as_str()).collect::<Vec<_>>(), ["primary", "y"]);
    assert_eq!(again.odd.len(), 1, "{:?}", again.odd);
    let counted = Repomd::parse(text.replace("1700000000", "12").as_bytes(), is_carried).unwrap();
    assert_eq!(counted.date.unwrap().unix(), 1_600_000_000, "a revision that counts is no time");
    for (bad, words) in [
        (data("primary", "").replace("sha256", "md5"), "which is broken"),
        (data("primary", "").replace("repodata/", "x/"), "malformed location"),
        (data("primary", "").replace("repodata/primary.xml", "repodata/repomd.xml.asc"), "malformed location"),
        (data("primary", "").replace("href", "xml:base='a' href"), "another base"),
        (data("primary", "").replace("<size>3", "<size>99999999999"), "more than"),
        (
            data("primary", "") + &data("primary", "").replace("<size>3", "<size>4"),
            "two different entries of the type primary",
        ),
        ("<data type=\"primary\"/>".to_owned(), "primary has no location"),
        (data("primary", "").replace("<size>3</size>", ""), "primary has no size"),
        (data("x", "").repeat(300), "more files"),
    ] {
        let error = Repomd::parse(repomd(&bad).as_bytes(), is_carried).unwrap_err().to_string();
        assert!(error.contains(words), "{bad}: {error}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let line = |kind: &str| DataLine {
        kind: kind.to_owned(),
        path: with_digest("repodata/a.xml", &Sha256::of(kind.as_bytes())).unwrap(),
        sha256: Sha256::of(kind.as_bytes()),
        size: 5,
        open_digest: Some(Sha256::of(b"x").into()),
        open_size: Some(6),
    };
    let lines = ["primary", "modules"].map(line);
    let parsed = Repomd::parse(repomd_text(&lines, 1_700_000_000).as_bytes(), |_| true).unwrap();
    assert_eq!(parsed.date.unwrap().unix(), 1_700_000_000);
    for (line, data) in lines.into_iter().zip(parsed.data) {
        let DataLine { kind, path, sha256, size, open_digest, open_size } = line;
        assert_eq!(with_digest(path.as_str(), &sha256).unwrap(), path, "it has its digest already");
        assert_eq!(data, Data { kind, path, digest: sha256.into(), size, open_digest, open_size });
    }
}

#[test]
fn what_holds_other_than_it_says_is_refused() {
    let data = |open_size| Data {
        kind: "primary".into(),
        path: "repodata/a.gz".parse().unwrap(),
        digest: Sha256::of(b"").into(),
        size: 0,
        open_digest: None,
        open_size,
    };
    let bomb = cut_packages(|| Ok::<_, Invalid>(list(&element("")).into_bytes().leak() as &[u8]), 1, |_| true).unwrap();
    let read = |open_size| {
        let data: Data = data(open_size);
        let text = data.expand(bomb.bytes.as_slice()).unwrap();
        packages(text, |_, _| Ok::<(), Invalid>(()))
    };
    assert!(read(None).is_ok() && read(Some(bomb.open_size)).is_ok());
    assert!(read(Some(bomb.open_size - 1)).is_err() && read(Some(bomb.open_size + 1)).is_err());
}

#[test]
fn module_streams_name_packages_in_every_style() {
    let text = "rpms: [a-0:1-2.noarch, 'b-1:1-2.noarch']\n- \"c-0:1^x-2.noarch\"\nnot: d-1-2.noarch http://e-1:2\n";
    let modules = Modules::read(text.as_bytes()).unwrap();
    let package =
        |text: &str| read(&list(&element("").replace("<name>a", &format!("<name>{text}")))).unwrap().remove(0);
    assert!(modules.names(&package("a")) && !modules.names(&package("d")) && !modules.names(&package("b")));
    let mut caret = package("c");
    caret.evr.version = "1^x".into();
    assert!(modules.names(&caret));
}

/// Versions as packagers write them, and some that nobody writes.
const VERSIONS: [&str; 31] = [
    "0",
    "00",
    "1",
    "01",
    "10",
    "1.0",
    "1.00",
    "1.1",
    "1..0",
    "1_0",
    "1.0a",
    "1.0b",
    "a",
    "b",
    "A",
    "aa",
    "1a1",
    "1a01",
    "~",
    "~1",
    "1~",
    "1~rc1",
    "1~~",
    "1.0~rc1",
    "1^",
    "1^git1",
    "1^git1~pre",
    "1~^",
    "^",
    "1.0.1",
    "99999999999999999999",
];

#[test]
fn the_order_is_that_of_rpm() {
    for a in VERSIONS {
        let script: String = VERSIONS.iter().map(|b| format!("print(rpm.vercmp(\"{a}\",\"{b}\")..\" \") ")).collect();
        let output = Command::new("rpm").arg("--eval").arg(format!("%{{lua:{script}}}")).output();
        let output = output.expect("rpm is there: tests/run installs what the tests need");
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<i32> = theirs.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let ours: Vec<i32> = VERSIONS.iter().map(|b| evr::compare(a, b) as i32).collect();
        assert_eq!(ours, theirs, "{a:?} against {VERSIONS:?}");
    }
}

proptest! {
    #[test]
    fn the_order_is_one(a in "[0-9a-c.~^]{0,6}", b in "[0-9a-c.~^]{0,6}") {
        prop_assert_eq!(evr::compare(&a, &b), evr::compare(&b, &a).reverse());
        prop_assert_eq!(evr::compare(&a, &a), Ordering::Equal);
        let newer = format!("{a}^1");
        prop_assert_ne!(evr::compare(&newer, &a), Ordering::Equal);
        prop_assert_eq!(evr::compare(&format!("{a}~1"), &a), Ordering::Less);
    }

    #[test]
    fn noise_never_panics(text in "(<[a-z/!?]{0,9}|[a-z=\"' ]{1,9}|>|/>|<package>|</package>|&[a-z#0-9]{0,3};|<metadata>){0,30}") {
        let _ = read(&text);
        let _ = read(&list(&text));
        let _ = Repomd::parse(text.as_bytes(), |_| true);
        let _ = Repomd::parse(repomd(&text).as_bytes(), |_| true);
        let _ = Modules::read(text.as_bytes());
    }

    #[test]
    fn words_come_back(name in "[!-~]{1,20}", vendor in "\\PC{0,20}") {
        let escaped = |text: &str| quick_xml::escape::escape(text).into_owned();
        let inner = format!("<format><rpm:vendor>{}</rpm:vendor></format>", escaped(&vendor));
        let text = list(&element(&inner).replace("<name>a", &format!("<name>{}", escaped(&name))));
        let package = read(&text).unwrap().remove(0);
        prop_assert_eq!((package.name, package.vendor.as_str()), (name, vendor.trim_ascii()));
    }
}
