//! Build dependencies: stock `apt-get build-dep` installs from the site what it installs from the upstream.

use gapferry::cli::Exit;
use gapferry::upstream::DebSpec;

use super::odd_archive::{OddArchive, PACKAGES, site_url};
use crate::apt_client::{AptClient, output};
use crate::support::server::Server;

/// Relations of `tool`, with all that restricts them.
const TOOL: &str = "Build-Depends: debhelper-compat (= 13), python3:any, gone [i386] | here, only-arm [!amd64],\n checks <!nocheck>, crossing <cross>\n\
                    Build-Depends-Arch: for-linux [linux-any]\nBuild-Depends-Indep: docs:native <!stage1 !nodoc>, staged <stage1>\n\
                    Build-Conflicts: clash [any-amd64]\n";

/// An archive with what builds need, and the source packages `tool` and `other`.
fn archive() -> OddArchive {
    let archive = OddArchive::new();
    let spec = |name: &str| DebSpec::new(name, "1.0", "amd64");
    let debs = [
        DebSpec { depends: "make".into(), ..spec("build-essential") },
        spec("make"),
        DebSpec { provides: "debhelper-compat (= 13)".into(), depends: "perl".into(), ..spec("debhelper") },
        spec("perl"),
        DebSpec { multi_arch: "allowed".into(), ..spec("python3") },
        DebSpec { recommends: "advised".into(), ..spec("here") },
        spec("advised"),
        spec("checks"),
        spec("for-linux"),
        spec("docs"),
        spec("clash"),
        spec("needed-by-other"),
        spec("never"),
        DebSpec { source: "tool".into(), ..spec("tool-bin") },
    ];
    let deb = |spec: &DebSpec| {
        let path = format!("pool/{}.deb", spec.name);
        let stanza = archive.deb(spec, &path, &path);
        let fields = [
            ("Depends", &spec.depends),
            ("Recommends", &spec.recommends),
            ("Provides", &spec.provides),
            ("Multi-Arch", &spec.multi_arch),
            ("Source", &spec.source),
        ];
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        fields.map(|(field, value)| format!("{field}: {value}\n")).collect::<String>() + &stanza
    };
    let source = |name: &str, version: &str, relations: &str| {
        let file = format!("{name}_{version}.dsc");
        let dsc = format!("Format: 3.0 (native)\nSource: {name}\nVersion: {version}\n");
        archive.write(&format!("up/pool/{file}"), dsc.as_bytes());
        format!(
            "Package: {name}\nBinary: {name}-bin\nVersion: {version}\nArchitecture: any\nDirectory: pool\n{relations}\
             Checksums-Sha256:\n {} {} {file}\n\n",
            archive.digest(dsc.as_bytes()),
            dsc.len()
        )
    };
    let packages: String = debs.iter().map(deb).collect();
    let sources = [
        source("tool", "1.0", TOOL),
        source("tool", "0.9", "Build-Depends: never\n"),
        source("other", "1.0", "Build-Depends: needed-by-other, clash\n"),
    ];
    archive.publish(&[(PACKAGES, packages.as_bytes()), ("main/source/Sources", sources.concat().as_bytes())]);
    archive
}

/// Returns what `apt-get build-dep` would install.
fn installed(client: &AptClient, source: &str) -> Vec<String> {
    client.apt_get("update");
    let plan = client.apt_get(&format!("build-dep -s -y {source}"));
    let name = |line: &str| line.strip_prefix("Inst ")?.split(' ').next().map(str::to_owned);
    let mut names: Vec<String> = plan.lines().filter_map(name).collect();
    names.sort();
    names
}

/// Carries the selection. Returns a client of the upstream and one of the site, which is served meanwhile.
fn ferried(archive: &OddArchive, url: &str, more: &str) -> (AptClient, AptClient, crate::support::desk::Serving) {
    archive.select(url, &format!("deb-src = true\n{more}"));
    archive.desk.init(&["odd"], "");
    archive.desk.ferry();
    let serving = archive.desk.serve();
    let client = AptClient::new("amd64");
    client.source("deb deb-src", &site_url(&serving), "stable", "main", &super::key(&archive.desk));
    (archive.control(url), client, serving)
}

#[test]
fn stock_build_dep_finds_at_the_site_what_upstream_has() {
    let archive = archive();
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    let (control, client, _serving) = ferried(&archive, &url, "build-dep = [\"tool-bin\", \"other\"]");
    let all = ["build-essential", "checks", "debhelper", "docs", "for-linux", "here", "make", "perl", "python3"];
    for client in [&control, &client] {
        assert_eq!(installed(client, "tool"), all);
        assert_eq!(installed(client, "tool-bin"), all);
        // What excludes each other is solved for each source by itself.
        assert_eq!(installed(client, "other"), ["build-essential", "clash", "make", "needed-by-other"]);
    }
    let lacks = output(client.command("apt-get").args(["install", "-s", "never"]));
    assert!(!lacks.status.success(), "only what builds need is carried");
    let inspected = archive.desk.run("status --site site").ok().out;
    assert!(inspected.contains("odd"), "{inspected}");
}

#[test]
fn the_sources_of_selected_packages_bring_their_build_dependencies() {
    let archive = archive();
    let server = Server::start(&archive.desk.path("up"));
    let url = server.url("").to_string();
    let more = "packages = [\"tool-bin\"]\nbuild-dep = true\nbuild-profiles = [\"nocheck\"]";
    let (control, client, _serving) = ferried(&archive, &url, more);
    let arguments = "-P nocheck tool";
    let all = ["build-essential", "debhelper", "docs", "for-linux", "here", "make", "perl", "python3"];
    for client in [&control, &client] {
        assert_eq!(installed(client, arguments), all);
    }
    let bundle = archive.desk.path("medium/dc1-base-000001");
    let items = super::items(&archive.desk, &bundle);
    assert!(
        items.contains(&"tool_1.0_source".to_owned()) && !items.contains(&"other_1.0_source".to_owned()),
        "{items:?}"
    );
    let inspected = archive.desk.run(&format!("inspect {} --json", bundle.display())).ok().out;
    assert!(inspected.contains("build dependency of tool 1.0"), "{inspected}");
}

#[test]
fn rejects_sources_that_cannot_be_built() {
    let archive = archive();
    let url = archive.desk.url("up");
    let export = |more: &str| archive.export(&url, more);
    export("build-dep = [\"tool\"]").says(Exit::Usage, &["build-dep needs deb-src = true"]);
    export("deb-src = true\nbuild-dep = true").says(Exit::Usage, &["whole suites have all packages"]);
    export("deb-src = true\nbuild-dep = [\"absent\"]").says(Exit::Usage, &["no source package absent"]);
    let profile = "deb-src = true\nbuild-profiles = [\"cross\"]\n";
    export(&format!("{profile}build-dep = [\"tool\"]"))
        .says(Exit::Usage, &["build dependencies of tool 1.0", "crossing"]);
    let noted = export(&format!("{profile}build-dep = true\npackages = [\"tool-bin\"]")).ok().err;
    assert!(noted.contains("odd: the build dependencies of tool 1.0: "), "{noted}");
}
