//! Images of other operating systems, from a folder to the clients of the site's own stream.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;

use crate::apt_client::run;
use crate::images::maas_is_content;
use crate::serve::fetch;
use crate::stream_client::{StreamClient, files_of};
use crate::support::desk::Desk;
use crate::support::os_images::{IMAGE_KEY, table};
use crate::support::server::Server;

const ROOT: &str = "os-images/own";
/// The path and the ftype of an item, as the reference client reads them.
const FORMAT: &str = "%(os)s/%(release)s/%(arch)s %(version_name)s %(item_name)s %(ftype)s %(release_title)s";

/// A root file system with a file that says what it is, packed as the real ones are.
fn root_tgz(desk: &Desk, name: &str, says: &str) -> PathBuf {
    let tree = desk.path("tree");
    let _ = fs::remove_dir_all(&tree);
    for folder in ["etc", "boot", "usr/bin"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::write(tree.join("etc/os-release"), says).unwrap();
    let path = desk.path("online").join(name);
    run(Command::new("tar").args(["--numeric-owner", "-C"]).arg(&tree).arg("-czf").arg(&path).arg("."));
    path
}

/// A disk with a boot signature, as packer leaves it: dd, then gzip.
fn disk_gz(desk: &Desk, name: &str) {
    let mut disk = vec![0; 1 << 20];
    (disk[510], disk[511]) = (0x55, 0xaa);
    fs::write(desk.path("disk"), disk).unwrap();
    let script = "gzip -n -c \"$1\" >\"$2\"";
    run(Command::new("sh").args(["-c", script, "gzip"]).arg(desk.path("disk")).arg(desk.path("online").join(name)));
}

/// A CentOS of `version`, signed; a Windows at an address; a Rocky to be uploaded.
fn prepare(desk: &Desk, server: &Server, version: &str) {
    let centos = root_tgz(desk, "centos.tgz", &format!("CentOS Stream 9 {version}"));
    let signature =
        IMAGE_KEY.sign_detached(&fs::read(centos).unwrap(), gapferry::time::Time::now().unix() - 60).unwrap();
    fs::write(desk.path("up/centos.tgz.asc"), signature).unwrap();
    fs::write(desk.path("online/images.gpg"), IMAGE_KEY.public_binary().unwrap()).unwrap();
    if !desk.path("online/rocky.tgz").exists() {
        root_tgz(desk, "rocky.tgz", "Rocky 9");
    }
    if !desk.path("up/win.gz").exists() {
        disk_gz(desk, "win.gz");
        fs::rename(desk.path("online/win.gz"), desk.path("up/win.gz")).unwrap();
    }
    let sum = Sha256::of(&fs::read(desk.path("up/win.gz")).unwrap());
    let signed = format!("signature = \"{}\"\nkeyring = \"images.gpg\"", server.url("centos.tgz.asc"));
    let windows = format!("url = \"{}\"\nsha256 = \"{sum}\"", server.url("win.gz"));
    desk.select(
        &[
            table("from = \"centos.tgz\"", ["centos", "9", "tgz", version], &signed),
            table(&windows, ["windows", "win2022", "ddgz", "20250101"], ""),
            table("from = \"rocky.tgz\"", ["custom", "rocky9", "tgz", "20250101"], "base-image = \"rhel/9\""),
        ]
        .concat(),
    );
}

/// A desk with an upstream, and a site that pins the key and allows the rest.
fn desk() -> (Desk, Server) {
    let desk = Desk::new();
    fs::create_dir(desk.path("up")).unwrap();
    let server = Server::start(&desk.path("up"));
    prepare(&desk, &server, "20250101");
    desk.init(&[], "--allow-unsigned os-images --keyring os-images=online/images.gpg");
    (desk, server)
}

fn client(desk: &Desk) -> StreamClient {
    StreamClient::new(&fs::read(desk.path("site/current/keys/site.gpg")).unwrap())
}

fn payload(folder: &Path) -> BTreeMap<String, String> {
    let mut files = files_of(folder);
    files.retain(|path, _| !path.starts_with("streams/"));
    files
}

#[test]
fn images_travel_and_stand_in_a_stream_that_maas_takes() {
    let (desk, server) = desk();
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    assert_eq!(inspected.matches("WITHOUT UPSTREAM PROOF").count(), 2, "{inspected}");
    for words in [
        format!("centos/9/amd64/20250101/root.tar.gz.sig of undated, signed by {}", IMAGE_KEY.fingerprint()),
        "custom/rocky9 20250101 amd64".to_owned(),
    ] {
        assert!(inspected.contains(&words), "{words}: {inspected}");
    }
    let json = desk.run(&format!("inspect --json {}", bundle.display())).ok().json();
    let custom = json["collections"][0]["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == "custom/rocky9")
        .unwrap();
    let image = &custom["details"]["os_image"]["image"];
    assert_eq!((&image["base_image"], &image["via"]), (&"rhel/9".into(), &"upload".into()));
    desk.import(&bundle).ok();
    drop(server);

    let mut products = maas_is_content(&desk, ROOT);
    products.sort();
    assert_eq!(products, ["com.gapferry:centos:9:amd64", "com.gapferry:windows:win2022:amd64"]);
    let serving = desk.serve();
    let url = format!("http://{}/{ROOT}", serving.address);
    for path in ["streams/v1/index.sjson", "streams/v1/index.json"] {
        let out = desk.path(path.rsplit('.').next().unwrap());
        client(&desk).mirror(&url, &out, &[&format!("--path={path}")]);
        let mut published = payload(&desk.path("site/current").join(ROOT));
        // What no client of a stream asks for: signatures, and what is uploaded.
        published.retain(|path, _| !path.ends_with(".sig") && !path.starts_with("custom/"));
        assert_eq!((payload(&out), published.len()), (published, 4), "{path}");
    }
    let lines = client(&desk).query(&format!("{url}/streams/v1/index.sjson"), FORMAT, &[]);
    assert_eq!(
        lines,
        [
            "centos/9/amd64 20250101 manifest manifest centos 9",
            "centos/9/amd64 20250101 root-tgz root-tgz centos 9",
            "windows/win2022/amd64 20250101 manifest manifest windows win2022",
            "windows/win2022/amd64 20250101 root-tgz root-dd.gz windows win2022",
        ]
    );
    let custom = format!("/{ROOT}/custom/rocky9/amd64/20250101/root.tar.gz");
    assert_eq!(fetch(&serving, &custom), (200, fs::read(desk.path("online/rocky.tgz")).unwrap()));
    let signature = fetch(&serving, &format!("/{ROOT}/centos/9/amd64/20250101/root.tar.gz.sig"));
    assert_eq!(signature, (200, fs::read(desk.path("up/centos.tgz.asc")).unwrap()));
}

/// Clients, MAAS first of all, take what has the same name for what they have already.
#[test]
fn a_changed_image_needs_another_version() {
    let (desk, _server) = desk();
    desk.bundle();
    root_tgz(&desk, "rocky.tgz", "Rocky 9, built once more");
    let path = "os-images/own/custom/rocky9/amd64/20250101/root.tar.gz";
    desk.export("").says(Exit::Usage, &[path, "another version"]);
    desk.export("--dry-run").says(Exit::Usage, &["another version"]);
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    let rocky = selection.rfind("20250101").unwrap();
    fs::write(
        desk.path("online/selection.toml"),
        format!("{}20250102{}", &selection[..rocky], &selection[rocky + 8..]),
    )
    .unwrap();
    desk.export("").ok();
}

#[test]
fn the_version_before_stays_for_those_who_have_read_of_it() {
    let (desk, server) = desk();
    desk.ferry();
    let serving = desk.serve();
    let old = format!("/{ROOT}/centos/9/amd64/20250101/root.tar.gz");
    let before = fetch(&serving, &old);
    prepare(&desk, &server, "20250201");
    desk.ferry();
    assert_eq!((before.0, fetch(&serving, &old) == before), (200, true));
    maas_is_content(&desk, ROOT);
    let lines = client(&desk).query(
        &format!("http://{}/{ROOT}/streams/v1/index.sjson", serving.address),
        FORMAT,
        &["os=centos"],
    );
    assert!(lines.iter().all(|line| line.contains(" 20250201 ")) && lines.len() == 2, "{lines:?}");
    // Nothing for the stream: no stream.
    desk.select(&table("from = \"rocky.tgz\"", ["custom", "rocky9", "tgz", "20250101"], ""));
    desk.ferry();
    assert!(!desk.path("site/current").join(ROOT).join("streams").exists());
    assert_eq!(fetch(&serving, &format!("/{ROOT}/custom/rocky9/amd64/20250101/root.tar.gz")).0, 200);
}

#[test]
fn what_is_not_what_it_should_be_is_not_exported() {
    let (desk, server) = desk();
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(selection.contains(from));
        fs::write(desk.path("online/selection.toml"), selection.replacen(from, to, 1)).unwrap();
        desk.export("")
    };
    let other = "0".repeat(64);
    let sum = Sha256::of(&fs::read(desk.path("up/win.gz")).unwrap()).to_hex();
    with(&sum, &other).says(Exit::VerificationFailed, &["win.gz", "is signed"]);
    with("from = \"rocky.tgz\"", &format!("from = \"rocky.tgz\"\nsha256 = \"{other}\""))
        .says(Exit::VerificationFailed, &["rocky.tgz has sha256", "the selection says 0000"]);
    with("from = \"rocky.tgz\"", "from = \"gone.tgz\"").says(Exit::Usage, &["gone.tgz"]);
    with("from = \"rocky.tgz\"", "from = \"/dev/null\"").says(Exit::Usage, &["/dev/null is a pipe, socket or device"]);
    fs::write(desk.path("online/empty"), "").unwrap();
    with("from = \"rocky.tgz\"", "from = \"empty\"")
        .says(Exit::Usage, &["custom/rocky9 cannot be deployed", "its file is empty"]);
    with("\"tgz\"", "\"txz\"").says(
        Exit::Usage,
        &["centos/9 cannot be deployed", "is a tar archive compressed with gzip", "write filetype = \"tgz\""],
    );
    with("\"ddgz\"", "\"ddtgz\"").says(
        Exit::Usage,
        &["windows/win2022 cannot be deployed", "a raw disk compressed with gzip", "write filetype = \"ddgz\""],
    );
    with("\"amd64\"", "\"x86_64\"")
        .says(Exit::Usage, &["MAAS knows no architecture \"x86_64\"", "write architecture = \"amd64\""]);
    with("release = \"rocky9\"", "release = \"9\"")
        .says(Exit::Usage, &["under the name 9, which MAAS reserves, since the stream lists centos/9"]);
    with("os = \"centos\"", "os = \"ubuntu\"").says(Exit::Usage, &["os = \"custom\""]);
    with("centos.tgz\"\nos", "rocky.tgz\"\nos")
        .says(Exit::VerificationFailed, &["centos/9 is not signed by a key of its keyring"]);
    fs::write(desk.path("up/centos.tgz.asc"), "no signature").unwrap();
    with("centos", "centos").says(Exit::VerificationFailed, &["centos/9 is not signed by a key of its keyring"]);
    drop(server);
    assert_eq!(fs::read_dir(desk.path("medium")).unwrap().count(), 0);
}
