//! Clients: apt uses the sources, cloud-init takes the user data, and the script for snapd does what it says.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::serve::Server;
use gapferry::site::Site;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Upstream};

use super::fixture::{set_store, setup, text, world, write_program};
use crate::apt_client::{AptClient, run};
use crate::support::desk::Desk;
use crate::support::tls::mint;

/// A server of the site, and its address.
fn serve(site: &Site) -> (Server, String) {
    let server = Server::start(site, std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let url = format!("http://{}", server.address);
    (server, url)
}

fn fetch(client: &AptClient) {
    let told = client.apt_get("update");
    assert!(!told.contains("W:") && !told.contains("E:"), "{told}");
    client.apt_get("install -y --download-only hello-gap news");
    assert!(client.downloaded().contains(&"hello-gap_1.0-1_amd64.deb".to_owned()), "{:?}", client.downloaded());
}

#[test]
fn apt_with_keys_in_the_sources() {
    let (world, site) = world();
    let (_server, url) = serve(&site);
    let client = AptClient::new("amd64");
    let sources = text(&world, &format!("apt --serve-url {url}"));
    fs::write(client.path("etc/apt/sources.list.d/gapferry.sources"), sources).unwrap();
    fetch(&client);
}

#[test]
fn apt_with_files_of_keys() {
    let (world, site) = world();
    let (_server, url) = serve(&site);
    let client = AptClient::new("amd64");
    let (sources, keyrings) = (client.path("etc/apt/sources.list.d"), client.path("etc/apt/keyrings"));
    fs::create_dir(&keyrings).unwrap();
    let words = format!("apt --serve-url {url} --keyrings {} --out {}/ --json", keyrings.display(), sources.display());
    let told = setup(&world, &words).ok().json();
    assert_eq!(told["written"].as_array().unwrap().len(), 2);
    fs::rename(sources.join("gapferry-demo.asc"), keyrings.join("gapferry-demo.asc")).unwrap();
    fetch(&client);
    // One suite alone.
    let words = format!("apt --serve-url {url} --suite stable-updates --archive demo --json");
    let told = setup(&world, &words).ok().json();
    let one = told["files"][0]["text"].as_str().unwrap();
    assert!(one.contains("\nSuites: stable-updates\n"), "{one}");
    setup(&world, &format!("apt --serve-url {url} --suite absent")).says(Exit::Usage, &["no suite \"absent\""]);
    setup(&world, "apt --serve-url ftp://x").says(Exit::Usage, &["no address that can be used"]);
}

/// Upstream's own metadata is checked with upstream's keys, though it expires.
#[test]
fn apt_with_upstreams_own_metadata() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Verbatim", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    upstream.suite("stable").valid_until = Some(Time::now().unix() + 3600);
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "publish = \"verbatim\""));
    desk.init(&["demo"], "");
    desk.ferry();
    let serving = desk.serve();
    let sources = desk.run(&format!("setup apt --site site --serve-url http://{}", serving.address)).ok().out;
    assert!(sources.contains("\nCheck-Valid-Until: no\n"), "{sources}");
    let client = AptClient::new("amd64");
    fs::write(client.path("etc/apt/sources.list.d/gapferry.sources"), sources).unwrap();
    client.apt_get("update");
    client.apt_get("install -y --download-only hello");
    assert_eq!(client.downloaded(), ["hello_1.0-1_amd64.deb"]);
}

/// Whether `cloud-init schema` takes the text.
fn check_user_data(world: &crate::support::world::World, user_data: &str) {
    let file = world.path("user-data.yaml");
    fs::write(&file, user_data).unwrap();
    let told = run(Command::new("cloud-init").args(["schema", "--config-file"]).arg(&file));
    assert!(told.contains("Valid cloud-config"), "{told}");
}

#[test]
fn cloud_init() {
    let (world, _site) = world();
    mint(&world.path(""), "DNS:snaps.dc1.example");
    let plain = "cloud-init --serve-url http://gapferry.dc1.example";
    let by_drop_in = text(&world, plain);
    assert!(by_drop_in.contains("SNAPPY_FORCE_API_URL=http://gapferry.dc1.example"), "{by_drop_in}");
    check_user_data(&world, &by_drop_in);
    let with_authority = text(&world, &format!("{plain} --ca-cert ca.pem"));
    check_user_data(&world, &with_authority);
    assert!(with_authority.contains("- [snap, set, system, \"store-certs.gapferry="), "{with_authority}");
    let stream = set_store(&world, "https://snaps.dc1.example/");
    let more = "--replace-sources --ntp-server ntp.dc1.example --ntp-server 10.0.0.1 --ca-cert ca.pem --suite stable";
    let user_data = text(&world, &format!("{plain} {more}"));
    check_user_data(&world, &user_data);

    // What cloud-init reads is what was meant.
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    // The system's own, for which cloud-init brings the module.
    let read = run(Command::new("/usr/bin/python3").args(["-c", script]).arg(world.path("user-data.yaml")));
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    assert_eq!(read["snap"]["assertions"][0].as_str().unwrap().as_bytes(), stream);
    let source = &read["apt"]["sources"]["gapferry-demo-1.list"];
    assert_eq!(source["source"], "deb [signed-by=$KEY_FILE] http://gapferry.dc1.example/apt/demo stable main");
    let key = fs::read_to_string(world.path("site/current/keys/site.asc")).unwrap();
    let lines = |text: &str| text.lines().filter(|line| !line.contains(':')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(source["key"].as_str().unwrap()), lines(&key));
    assert_eq!(read["ntp"]["servers"], serde_json::json!(["ntp.dc1.example", "10.0.0.1"]));
    let authority = fs::read_to_string(world.path("ca.pem")).unwrap();
    assert_eq!(read["ca_certs"]["trusted"], serde_json::json!([authority]));
    let commands = serde_json::json!([
        ["snap", "set", "system", format!("store-certs.gapferry={authority}")],
        ["snap", "set", "core", "proxy.store=gapStore"]
    ]);
    assert_eq!(read["snap"]["commands"], commands);
    setup(&world, "cloud-init --serve-url http://x --ntp-server a;b").says(Exit::Usage, &["is no name of a host"]);
}

/// Runs the script with a `sudo` that only writes down what it is told.
#[test]
fn snapd() {
    let (world, _site) = world();
    mint(&world.path(""), "DNS:snaps.dc1.example");
    setup(&world, "snapd").says(Exit::Usage, &["--serve-url"]);
    let by_drop_in = text(&world, "snapd --serve-url http://gapferry.dc1.example");
    let with_authority = text(&world, "snapd --serve-url https://gapferry.dc1.example --ca-cert ca.pem");
    let stream = set_store(&world, "https://snaps.dc1.example/");
    let by_assertion = text(&world, "snapd --ca-cert ca.pem");
    fs::create_dir(world.path("bin")).unwrap();
    let sudo = "#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done >>told\n\
                case \"$*\" in *stdin*|tee*) cat >stdin;; esac\n";
    write_program(&world.path("bin/sudo"), sudo);
    let play = |script: &str| {
        let _ = fs::remove_file(world.path("told")); // the first run has none
        let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
        run(Command::new("sh").args(["-c", script]).env("PATH", path).current_dir(world.path("")));
        (fs::read_to_string(world.path("told")).unwrap(), fs::read(world.path("stdin")).unwrap())
    };
    let (told, stdin) = play(&by_assertion);
    let authority = fs::read_to_string(world.path("ca.pem")).unwrap();
    let expected = format!(
        "snap\nset\nsystem\nstore-certs.gapferry={}\nsnap\nack\n/dev/stdin\nsnap\nset\ncore\nproxy.store=gapStore\n",
        authority.trim_end()
    );
    assert_eq!(told, expected);
    assert!(stdin == stream, "{}", String::from_utf8_lossy(&stdin));
    let (told, stdin) = play(&by_drop_in);
    assert!(told.contains("tee\n/etc/systemd/system/snapd.service.d/gapferry.conf\n"), "{told}");
    assert!(told.ends_with("systemctl\ndaemon-reload\nsystemctl\nrestart\nsnapd.service\n"), "{told}");
    let drop_in = "[Service]\nEnvironment=SNAPPY_FORCE_API_URL=http://gapferry.dc1.example\n";
    assert_eq!(String::from_utf8(stdin).unwrap(), drop_in);
    let (told, stdin) = play(&with_authority);
    let set = format!("snap\nset\nsystem\nstore-certs.gapferry={}\nmkdir\n", authority.trim_end());
    assert!(told.starts_with(&set), "{told}");
    assert!(String::from_utf8(stdin).unwrap().contains("SNAPPY_FORCE_API_URL=https://gapferry.dc1.example\n"));
}
