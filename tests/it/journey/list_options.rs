//! Variables, options and lists of mirrors in apt's source lists: apt itself is the control.

use std::fs;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, SampleCompression, Upstream};

use super::flat::FlatRepository;
use super::{candidate, items};
use crate::apt_client::{AptClient, run};
use crate::support::desk::{Desk, Ended, names};
use crate::support::server::Server;
use crate::support::world::manifest_of;

/// A desk with an archive of amd64, i386 and arm64 below `up`.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Options", &["amd64", "i386", "arm64"]);
    for architecture in ["amd64", "i386", "arm64"] {
        upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", architecture));
    }
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select("");
    desk
}

fn export(desk: &Desk, file: &str, list: &str, more: &str) -> Ended {
    fs::write(desk.path("online").join(file), list).unwrap();
    desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"{file}\"\n{more}\n"));
    let _ = fs::remove_dir_all(desk.path("medium"));
    let _ = fs::remove_dir_all(desk.path("online/workspace"));
    desk.export("--json")
}

fn carried(desk: &Desk, file: &str, list: &str, more: &str) -> Vec<String> {
    let exported = export(desk, file, list, more).ok().json();
    items(desk, &desk.path(exported["bundle"].as_str().unwrap()))
}

/// The architectures of `hello` that a client of amd64 and i386 knows from the list.
fn architectures_of_apt(file: &str, list: &str) -> Vec<String> {
    let client = AptClient::new("amd64");
    fs::write(client.path("etc/apt/sources.list.d").join(file), list).unwrap();
    let both = ["-o", "APT::Architectures::=i386", "-o", "APT::Architectures::=arm64"];
    run(client.command("apt-get").args(both).arg("update"));
    let known = run(client.command("apt-cache").args(both).args([
        "show",
        "hello:amd64",
        "hello:i386",
        "hello:arm64",
        "--no-all-versions",
    ]));
    let mut known: Vec<String> = known
        .lines()
        .filter_map(|line| Some(format!("hello_1.0-1_{}", line.strip_prefix("Architecture: ")?)))
        .collect();
    known.sort();
    known
}

#[test]
fn architectures_are_added_and_removed_as_for_apt() {
    let desk = desk();
    let (url, key) = (desk.url("up"), desk.path("keyring.gpg").display().to_string());
    let stanza =
        |more: &str| format!("Types: deb\nURIs: {url}\nSuites: stable\nComponents: main\nSigned-By: {key}\n{more}\n");
    let line = |options: &str| format!("deb [signed-by={key} {options}] {url} stable main\n");
    let all = "architectures = [\"amd64\", \"i386\", \"arm64\"]";
    for (file, list) in [
        ("a.list", line("arch-=i386")),
        ("b.list", line("arch-=i386,arm64")),
        ("c.sources", stanza("Architectures-Remove: arm64")),
    ] {
        assert_eq!(carried(&desk, file, &list, all), architectures_of_apt(file, &list), "{list}");
    }
    for (file, list, expected) in [
        ("d.list", line("arch=amd64 arch+=i386"), &["hello_1.0-1_amd64", "hello_1.0-1_i386"][..]),
        (
            "e.sources",
            stanza("Architectures: amd64 i386\nArchitectures-Remove: i386\nArchitectures-Add: arm64"),
            &["hello_1.0-1_amd64", "hello_1.0-1_arm64"],
        ),
    ] {
        assert_eq!(architectures_of_apt(file, &list), expected, "{list}");
        assert_eq!(carried(&desk, file, &list, ""), expected, "{list}");
    }
}

#[test]
fn languages_of_a_list_are_carried() {
    let desk = desk();
    let (url, key) = (desk.url("up"), desk.path("keyring.gpg").display().to_string());
    desk.init(&["host-up"], "");
    let list = format!("deb [arch=amd64 lang=de signed-by={key}] {url} stable main\n");
    let described = |text: &str| {
        let client = AptClient::new("amd64");
        fs::write(client.path("etc/apt/apt.conf.d/languages"), "Acquire::Languages { \"de\"; };\n").unwrap();
        fs::write(client.path("etc/apt/sources.list.d/x.list"), text).unwrap();
        client.updates_without_complaint("");
        run(client.command("apt-cache").args(["show", "hello"]))
    };
    assert!(described(&list).contains("Description-de:"));
    let exported = export(&desk, "x.list", &list, "").ok().json();
    desk.import(&desk.path(exported["bundle"].as_str().unwrap())).ok();
    let site = format!("file:{}/apt/host-up", desk.path("site/current").display());
    let at_site = list.replace(&url, &site).replace(&key, &super::key(&desk).display().to_string());
    assert!(described(&at_site).contains("Description-de:"));
}

/// An index that no client asks for unless its list says so.
#[test]
fn targets_of_a_list_are_carried() {
    let repository = FlatRepository::new();
    let text = repository.deb(&DebSpec::new("hello", "1.0", "amd64"), "hello.deb", "hello.deb").into_bytes();
    repository.publish_indexes(
        "",
        "",
        &[("Packages", text), ("Contents-udeb-amd64", b"bin/hello debian-installer/hello\n".to_vec())],
    );
    let desk = &repository.desk;
    let (url, key) = (desk.url("up/vendor/deb"), desk.path("keyring.gpg").display().to_string());
    desk.select("");
    desk.init(&["host-deb"], "");
    let fetched = |list: &str| {
        let client = AptClient::new("amd64").with_programs();
        fs::write(client.path("etc/apt/sources.list.d/x.list"), list).unwrap();
        client.updates_without_complaint("");
        names(&client.path("var/lib/apt/lists")).iter().any(|name| name.contains("Contents-udeb-amd64"))
    };
    for options in ["Contents-udeb=yes", "target+=Contents-udeb", "target=Packages,Contents-udeb", ""] {
        let list = format!("deb [signed-by={key} {options}] {url} ./\n");
        assert_eq!(fetched(&list), !options.is_empty(), "{options}");
        let exported = export(desk, "x.list", &list, "architectures = [\"amd64\"]\npublish = \"verbatim\"").ok().json();
        let bundle = desk.path(exported["bundle"].as_str().unwrap());
        let read = manifest_of(&bundle);
        let carried = read
            .collections
            .iter()
            .flat_map(|c| c.paths())
            .any(|(path, _)| path.as_str().ends_with("Contents-udeb-amd64"));
        assert_eq!(carried, !options.is_empty(), "{options}");
        if desk.path("site/current").exists() {
            continue;
        }
        desk.import(&bundle).ok();
        let site = format!("file:{}/apt/host-deb", desk.path("site/current").display());
        assert!(fetched(&list.replace(&url, &site)), "{options}");
    }
}

#[test]
fn by_hash_is_forced_as_for_apt() {
    let repository = FlatRepository::new();
    repository.publish_hello("", "");
    let desk = &repository.desk;
    let folder = desk.path("up/vendor/deb");
    for name in ["Packages", "Packages.gz"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let by_hash = folder.join("by-hash/SHA256");
        fs::create_dir_all(&by_hash).unwrap();
        fs::write(by_hash.join(gapferry::digest::Sha256::of(&bytes).to_hex()), bytes).unwrap();
        fs::remove_file(folder.join(name)).unwrap();
    }
    let server = repository.serve();
    let key = desk.path("keyring.gpg").display().to_string();
    let list = |more: &str| format!("deb [signed-by={key}{more}] {} ./\n", server.url("vendor/deb"));
    let control = AptClient::new("amd64");
    fs::write(control.path("etc/apt/sources.list.d/x.list"), list(" by-hash=force")).unwrap();
    control.updates_without_complaint("");
    assert_eq!(candidate(&control, "hello"), "1.0");
    let architectures = "architectures = [\"amd64\"]";
    assert_eq!(carried(desk, "x.list", &list(" by-hash=force"), architectures), ["hello_1.0_amd64"]);
    export(desk, "x.list", &list(""), architectures).says(Exit::UpstreamUnavailable, &["Packages"]);
}

#[test]
fn the_variable_stands_for_each_architecture_of_the_selection() {
    let repository = FlatRepository::new();
    let deb = |architecture: &str| {
        let path = format!("{architecture}/hello.deb");
        repository.deb(&DebSpec::new("hello", "1.0", architecture), &path, &path)
    };
    let suite = |architecture: &str| {
        repository.publish_text(architecture, &format!("Suite: {architecture}\n"), &deb(architecture));
    };
    suite("amd64");
    suite("arm64");
    let desk = &repository.desk;
    let (url, key) = (desk.url("up/vendor/deb"), desk.path("keyring.gpg").display().to_string());
    let list = format!("deb [signed-by={key}] {url} $(ARCH)/\n");
    let both = "architectures = [\"amd64\", \"arm64\"]";
    desk.init(&["host-deb"], "");
    let exported = export(desk, "x.list", &list, both).ok().json();
    desk.import(&desk.path(exported["bundle"].as_str().unwrap())).ok();
    let site = format!("file:{}/apt/host-deb", desk.path("site/current").display());
    let at_site = list.replace(&url, &site).replace(&key, &super::key(desk).display().to_string());
    for architecture in ["amd64", "arm64"] {
        for list in [&list, &at_site] {
            let client = AptClient::new(architecture);
            fs::write(client.path("etc/apt/sources.list.d/x.list"), list).unwrap();
            client.updates_without_complaint("");
            assert_eq!(candidate(&client, "hello"), "1.0", "{architecture}: {list}");
        }
    }
    let three = "architectures = [\"amd64\", \"arm64\", \"riscv64\"]";
    export(desk, "x.list", &list, three).says(Exit::Usage, &["no suite of host has packages for riscv64"]);
    let optional = "architectures = [\"amd64\", \"i386\"]";
    let text =
        deb("amd64") + &repository.deb(&DebSpec::new("hello", "1.0", "i386"), "i386/hello.deb", "i386/hello.deb");
    repository.publish_text("amd64", "Suite: amd64\n", &text);
    let exported = export(desk, "x.list", &list, optional).ok();
    assert!(
        exported.err.contains("has no suite i386/, which a source list names for another architecture"),
        "{exported:?}"
    );
    export(desk, "x.list", &list, "architectures = [\"riscv64\"]")
        .says(Exit::UpstreamUnavailable, &["no suite riscv64/"]);
    let in_address = format!("deb [signed-by={key}] {}/$(ARCH) ./\n", url.trim_end_matches('/'));
    fs::write(desk.path("online/x.list"), in_address).unwrap();
    desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"x.list\"\n{both}\n"));
    let planned = desk.export("--dry-run --json").ok().json();
    let names: Vec<_> =
        planned["collections"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["host-amd64", "host-arm64"]);
}

/// The mirrors of a list have only what their lines say.
#[test]
fn mirrors_are_asked_by_priority_and_kind_of_file() {
    let repository = FlatRepository::new();
    repository.publish_hello("", "");
    let desk = &repository.desk;
    let (up, pool) = (desk.path("up/vendor/deb"), desk.path("pool/deb"));
    fs::create_dir_all(&pool).unwrap();
    fs::rename(up.join("hello_1.0_amd64.deb"), pool.join("hello_1.0_amd64.deb")).unwrap();
    let (indexes, packages) = (repository.serve(), Server::start(&desk.path("pool")));
    let closed = Server::start(&desk.path("pool")).url("none").to_string().replace("127.0.0.1", "localhost");
    let lines = format!(
        "# mirrors\n{}\tpriority:3 type:deb arch:amd64\n{}\tpriority:2 type:index\n\
         ftp://127.0.0.1/unknown\tpriority:9\nfile:{}\tpriority:9 type:index\n",
        packages.url("deb"),
        indexes.url("vendor/deb"),
        desk.path("nothing").display()
    );
    let key = desk.path("keyring.gpg").display().to_string();
    fs::write(desk.path("up/mirrors.txt"), &lines).unwrap();
    fs::write(desk.path("mirrors.txt"), format!("{lines}{closed}\tpriority:1\n")).unwrap();
    fs::write(desk.path("mirrors.txt.gz"), SampleCompression::Gzip.pack(lines.as_bytes()).unwrap()).unwrap();
    let first = indexes.url("vendor/deb").to_string();
    for (uri, origin) in [
        (format!("mirror+file:{}", desk.path("mirrors.txt").display()), &closed),
        (format!("mirror+file:{}", desk.path("mirrors.txt.gz").display()), &first),
        (indexes.url("mirrors.txt").to_string().replace("http:", "mirror:"), &first),
        (indexes.url("mirrors.txt").to_string().replace("http:", "mirror+http:"), &first),
    ] {
        let list = format!("deb [signed-by={key}] {uri} ./\n");
        let control = AptClient::new("amd64");
        fs::write(control.path("etc/apt/sources.list.d/x.list"), &list).unwrap();
        control.updates_without_complaint("-o Acquire::Retries=0");
        control.apt_get("install -y --download-only -o Acquire::Retries=0 hello");
        assert_eq!(control.downloaded(), ["hello_1.0_amd64.deb"], "{uri}");

        let exported = export(desk, "x.list", &list, "architectures = [\"amd64\"]").ok();
        let bundle = exported.json()["bundle"].as_str().unwrap().to_owned();
        assert_eq!(items(desk, &desk.path(&bundle)), ["hello_1.0_amd64"], "{uri}");
        assert!(exported.err.contains("skipped the mirror ftp://127.0.0.1/unknown"), "{}", exported.err);
        let is_left_out = exported.err.contains("left out the mirror http://localhost");
        assert_eq!(is_left_out, *origin == closed, "{}", exported.err);
        assert_eq!(exported.json()["collections"][0]["origin"], origin.as_str());
    }
    let broken = |uri: &str, exit: Exit, words: &str| {
        export(desk, "x.list", &format!("deb [signed-by={key}] {uri} ./\n"), "architectures = [\"amd64\"]")
            .says(exit, &[words]);
    };
    broken(
        "mirror+tor+http://a.invalid/x",
        Exit::Usage,
        "lists of mirrors are read over http, https and from files alone",
    );
    fs::write(desk.path("empty.txt"), "# none\n").unwrap();
    broken(
        &format!("mirror+file:{}", desk.path("empty.txt").display()),
        Exit::Usage,
        "names no mirror that can be used",
    );
    broken(&format!("mirror+file:{}", desk.path("absent.txt").display()), Exit::UpstreamUnavailable, "absent.txt");
}
