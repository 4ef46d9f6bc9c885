//! Archives behind a login: stock apt-get straight at them is the control, then gapferry carries them, then stock apt-get takes
//! them from the site without a login.

mod apt_logins;
mod certificates;
mod kinds;
mod leaks;
pub(crate) mod pro;

use std::fs;
use std::path::Path;

use gapferry::upstream::{DebSpec, Upstream};

use crate::apt_client::AptClient;
use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, end};
use crate::support::server::Server;

/// The path of the archive's signed file below its server.
const IN_RELEASE: &str = "private/dists/stable/InRelease";

/// A desk with an archive in `up/private`, and a server over `up`.
struct Archive {
    desk: Desk,
    server: Server,
}

impl Archive {
    fn new() -> Self {
        let desk = Desk::new();
        publish(&desk);
        let server = Server::start(&desk.path("up"));
        Self { desk, server }
    }

    /// HOST:PORT of the server.
    fn host(&self) -> String {
        host_of(&self.server)
    }

    /// The archive's URL, with `userinfo` such as `me:pw@`.
    fn url(&self, userinfo: &str) -> String {
        format!("{}://{userinfo}{}/private", self.server.url("").scheme(), self.host())
    }

    /// Values of `Authorization` that came with requests for the signed file so far; empty for a request without one.
    fn logins(&self) -> Vec<String> {
        let requests = self.server.requests(IN_RELEASE);
        requests.iter().map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
    }
}

fn host_of(server: &Server) -> String {
    let url = server.url("");
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// Writes the archive.
fn publish(desk: &Desk) {
    let mut upstream = Upstream::new("Private", &["amd64"]);
    let hello = DebSpec { depends: "libsecret-hello".into(), ..DebSpec::new("hello", "1.0-1", "amd64") };
    upstream.add("stable", "main", hello).add("stable", "main", DebSpec::new("libsecret-hello", "1.0-1", "amd64"));
    desk.archive("up/private", &mut upstream, &["stable"]);
}

/// An apt-get whose one source is `url`.
fn client(url: &str) -> AptClient {
    let client = AptClient::new("amd64");
    let keyring = client.path("archive.gpg");
    fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    client.source("deb", url, "stable", "main", &keyring);
    client
}

/// A selection of the client's own source list, with the same settings of apt.
fn select_list_of(desk: &Desk, client: &AptClient) {
    let list = client.path("etc/apt/sources.list.d/test.sources");
    desk.select(&format!(
        "[[apt]]\nname = \"host\"\nsources = \"{}\"\narchitectures = [\"amd64\"]\npackages = [\"hello\"]\n",
        list.display()
    ));
}

/// Exports with the settings of `client`.
fn export_as(desk: &Desk, client: &AptClient, more: &str) -> Ended {
    let arguments = format!(
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace {more}"
    );
    end(desk.command(&arguments).env("APT_CONFIG", client.path("apt.conf")))
}

/// Imports the bundle that `exported` tells of into a new site that pins the key to `source`, and takes `hello` from there with
/// a stock apt-get that knows no login.
#[track_caller]
fn reaches_clients(desk: &Desk, exported: &Ended, source: &str) {
    desk.init(&[source], "");
    desk.import(&desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    let serving = desk.serve();
    let client = AptClient::new("amd64");
    let keyring = client.path("site.gpg");
    let folder = desk.path("site/current/apt").join(source);
    let key = desk.path("site/current/keys/site.gpg");
    let key = if key.exists() { fs::read(key).unwrap() } else { ARCHIVE_KEY.public_binary().unwrap() };
    assert!(folder.is_dir());
    fs::write(&keyring, key).unwrap();
    client.source("deb", &format!("http://{}/apt/{source}", serving.address), "stable", "main", &keyring);
    client.updates_without_complaint("");
    client.apt_get("install -y --download-only hello");
    assert_eq!(client.downloaded(), ["hello_1.0-1_amd64.deb", "libsecret-hello_1.0-1_amd64.deb"]);
}

/// Writes a file that its owner alone can read.
fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
