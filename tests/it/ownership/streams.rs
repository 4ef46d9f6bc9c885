//! Image streams, with sstream-mirror's own library as the victim.

use gapferry::time::Time;
use gapferry::upstream::{Signing, Stream, UbuntuSerial};

use super::*;
use crate::images::table;
use crate::stream_client::StreamClient;
use crate::support::desk::ARCHIVE_KEY;

/// The address of the stream that the sites publish.
const STREAM: &str = "http://images.example/stable";

/// Writes a stream of this label with one serial of jammy into a folder of `up`; later calls write newer streams.
fn write(desk: &Desk, folder: &str, label: &str, serial: &str, change: impl FnOnce(&mut Stream)) {
    let path = desk.path(&format!("up/{folder}"));
    let _ = fs::remove_dir_all(&path);
    let mut stream = Stream::new(label);
    stream.ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", serial)).centos("8", "amd64", "20211104_01");
    stream.updated = Time::now().unix() - 100_000 + serial.parse::<i64>().unwrap() % 10_000;
    change(&mut stream);
    stream.write_to(&path, &ARCHIVE_KEY).unwrap();
}

/// Returns label and serial of jammy in a stream, as a client lists them that finds the site at every host.
fn listed(desk: &Desk, serving: &Serving, url: &str) -> Result<Vec<String>, String> {
    let client =
        StreamClient::new(&fs::read(desk.path("site/current/keys/site.gpg")).unwrap()).behind(&serving.address);
    let index = format!("{url}/streams/v1/index.sjson");
    let output = client.try_query(&index, "%(label)s %(version_name)s", &["release=jammy"]);
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.dedup();
    match output.status.success() {
        true => Ok(lines),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn is(line: &str) -> Result<Vec<String>, String> {
    Ok(vec![line.to_owned()])
}

#[test]
fn unsigned_streams_cannot_answer_for_the_address_of_a_signed_one() {
    let desk = Desk::new();
    write(&desk, "stable", "stable", "20250718", |_| ());
    write(&desk, "lab", "lab", "20250801", |stream| stream.signing = Signing::Unsigned);
    let lab = format!("[[images]]\nname = \"lab\"\nurl = \"{}\"\nallow-unsigned = true\n", desk.url("up/lab"));
    desk.select("");
    let bare = "bootloaders = false";
    desk.select(&format!("{}\n{lab}{bare}\n", table(&desk, STREAM, bare)));
    desk.init(&["maas"], "--allow-unsigned lab");
    configure(&desk, "[[serve.alias]]\nurl = \"http://cloud.example/maas\"\ncollection = \"images/maas\"\n");
    let honest = bundle(&desk);
    desk.import(&honest).ok();
    let honest = manifest(&honest);
    let addresses = [
        "http://IMAGES.example./stable/",
        "https://images.example:8443/x/../stable",
        "http://images.example/stable/streams",
        "http://images.example",
        "http://cloud.example/%6daas",
    ];
    refuses_claims(&desk, &honest, "lab", "maas", &addresses);
    let fresh = "http://fresh.example/lab";
    let claimed = forge(&desk, &honest, |manifest| find(manifest, "lab").origin = fresh.into());
    let ended = desk.import(&claimed).ok();
    assert!(ended.err.contains("images/lab: upstream does not vouch for all of it"), "{}", ended.err);
    let serving = desk.serve();
    for address in [STREAM, "http://cloud.example/maas"] {
        assert_eq!(listed(&desk, &serving, address), is("stable 20250718"));
    }
    let refused = listed(&desk, &serving, fresh).unwrap_err();
    assert!(refused.contains(&format!("Unable to open {fresh}")), "{refused}");
    drop(serving);
    configure(&desk, &format!("[[serve.alias]]\nurl = \"{fresh}\"\ncollection = \"images/lab\"\n"));
    assert_eq!(listed(&desk, &desk.serve(), fresh), is("lab 20250801"));
}

#[test]
fn clients_do_not_see_a_stream_go_back() {
    let desk = Desk::new();
    desk.select("");
    desk.select(&table(&desk, STREAM, "bootloaders = false"));
    write(&desk, "stable", "stable", "20250718", |_| ());
    let older = manifest(&bundle(&desk));
    write(&desk, "stable", "stable", "20250801", |_| ());
    let newest = bundle(&desk);
    desk.init(&["maas", "a"], "");
    desk.import(&newest).ok();
    let serving = desk.serve();
    let genuine = Genuine { name: "maas", origin: STREAM };
    let spelled = "https://Images.example.:8443//stable/";
    refuses_older_states(&desk, [&older, &manifest(&newest)], &genuine, spelled, |what| {
        assert_eq!(listed(&desk, &serving, STREAM), is("stable 20250801"), "{what}");
    });
}

/// The key of a release stream signs candidates and daily images, too.
#[test]
fn a_mirror_cannot_pass_one_stream_off_as_another() {
    let desk = Desk::new();
    desk.select("");
    let select = |url: &str, filter: &str| {
        desk.select(&table(&desk, url, &format!("bootloaders = false\n{filter}")));
    };
    select(STREAM, "");
    desk.init(&["maas"], "");
    write(&desk, "stable", "stable", "20250718", |_| ());
    desk.import(&bundle(&desk)).ok();
    // Fewer of the streams that the index names, and all of them again, are no other streams.
    select(STREAM, "filter = [\"os=centos\"]");
    desk.import(&bundle(&desk)).ok();
    select(STREAM, "filter = [\"release=jammy\"]");
    desk.import(&bundle(&desk)).ok();
    let serving = desk.serve();
    for label in ["candidate", "daily"] {
        write(&desk, "stable", label, "20250801", |_| ());
        let words = ["images/maas", "com.ubuntu.maas:stable:v3:download", "pass one stream off as another"];
        export(&desk, "").says(Exit::Refused, &words);
    }
    // A builder that takes it all the same is refused by the site.
    let daily = folder_of(&desk, &export(&desk, "--allow-older-upstream").ok());
    let words = ["images/maas", "com.ubuntu.maas:stable:v3:download", "--allow-older-upstream"];
    desk.import(&daily).says(Exit::Refused, &words);
    desk.run(&format!("import {} --site site --dry-run", daily.display())).says(Exit::Refused, &words);
    assert_eq!(listed(&desk, &serving, STREAM), is("stable 20250718"));
    desk.run(&format!("import {} --site site --allow-older-upstream", daily.display())).ok();
    assert_eq!(listed(&desk, &serving, STREAM), is("daily 20250801"));
    // Under an address of its own it is asked for as what it is.
    fs::rename(desk.path("up/stable"), desk.path("up/edge")).unwrap();
    write(&desk, "edge", "edge", "20250915", |_| ());
    select("http://images.example/edge", "");
    desk.import(&bundle(&desk)).ok();
    assert_eq!(listed(&desk, &serving, "http://images.example/edge"), is("edge 20250915"));
}
