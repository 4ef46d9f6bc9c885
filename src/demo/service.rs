//! The demo's air-gapped side as one service: upstreams' own names, the status page, and what is to be set up around it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::DemoError;
use crate::maas::{MaasChoice, wanted};
use crate::serve::Server;
use crate::setup::dns::NameServer;
use crate::setup::{Facts, ServeUrl, SetupFile, WebServer, apt, cloud_init, dns, maas, nginx};
use crate::site::Site;

/// Names that clients know the demo's upstreams by.
const ARCHIVE: &str = "archive.demo.example";
const IMAGES: &str = "images.demo.example";
/// Where the demo's site would be reached.
const SITE: &str = "http://gapferry.demo.example";
/// The most that is read of an answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// What `site.toml` says besides, so that clients find the upstreams under the names that they have always asked.
pub(super) fn name_upstreams(site: &Path) -> Result<(), DemoError> {
    let path = site.join("site.toml");
    let mut file = fs::OpenOptions::new().append(true).open(&path).map_err(DemoError::io("open", &path))?;
    let aliases = format!(
        "\n[[serve.alias]]\nurl = \"http://{ARCHIVE}/ubuntu\"\ncollection = \"apt/demo\"\n\
         \n[[serve.alias]]\nurl = \"http://{IMAGES}/maas\"\ncollection = \"images/maas\"\n"
    );
    file.write_all(aliases.as_bytes()).map_err(DemoError::io("write", &path))
}

/// Asks by the upstream's name, as a client does whose name server leads it here; returns the sentence that says so.
pub(super) fn answers_for_upstreams(server: &Server, site: &Path) -> Result<String, DemoError> {
    for (host, path, file) in [
        (ARCHIVE, "/ubuntu/dists/stable/InRelease", "apt/demo/dists/stable/InRelease"),
        (IMAGES, "/maas/streams/v1/index.sjson", "images/maas/streams/v1/index.sjson"),
    ] {
        let file = site.join("current").join(file);
        let bytes = fs::read(&file).map_err(DemoError::io("read", &file))?;
        if get(server, host, path)? != bytes {
            return Err(DemoError::failed(format!("http://{host}{path} is not answered with {}", file.display())));
        }
    }
    Ok(format!(
        "With nothing changed but the name server, http://{ARCHIVE}/ubuntu and http://{IMAGES}/maas are this site."
    ))
}

/// Looks at the status page; returns the sentence that says what is there.
pub(super) fn shows_status(server: &Server) -> Result<String, DemoError> {
    for (path, wanted) in [("/", &["apt/demo", "images/maas", "snaps/store"][..]), ("/?q=hello", &["hello-gap"][..])] {
        let page = String::from_utf8_lossy(&get(server, "127.0.0.1", path)?).into_owned();
        if let Some(wanted) = wanted.iter().find(|wanted| !page.contains(**wanted)) {
            return Err(DemoError::failed(format!("the status page at {path} does not mention {wanted}")));
        }
    }
    Ok(format!(
        "The status page at http://{}/ shows what is published and how to point clients at it, and finds hello-gap.",
        server.address
    ))
}

/// Writes what the operator needs next into `folder`; returns the sentence that says what, and which programs have checked it.
pub(super) fn sets_up(site: &Site, folder: &Path) -> Result<String, DemoError> {
    fs::create_dir(folder).map_err(DemoError::io("create", folder))?;
    let files = texts(site)?;
    for file in &files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).map_err(DemoError::io("write", &path))?;
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let checked = [
        check("dnsmasq", &["--test", "-C"], &folder.join("gapferry-dnsmasq.conf"))?,
        check("cloud-init", &["schema", "--config-file"], &folder.join("gapferry-user-data.yaml"))?,
        check("sh", &["-n"], &folder.join("gapferry-maas.sh"))?,
    ];
    let checked: Vec<&str> = checked.into_iter().flatten().collect();
    let list = names.join(", ");
    Ok(format!("setup wrote {list} from what the site publishes ({} found no fault).", checked.join(", ")))
}

/// Texts for a name server, a web server, clients, deployed machines and MAAS.
fn texts(site: &Site) -> Result<Vec<SetupFile>, DemoError> {
    let facts = Facts::collect(site)?;
    let url: ServeUrl = SITE.parse().map_err(|error| DemoError::failed(format!("{SITE}: {error}")))?;
    let address = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10))]; // for documentation (RFC 5737)
    let mut files = dns::files(&facts, NameServer::Dnsmasq, url.host(), &address)?;
    files.push(SetupFile::new("gapferry-nginx.conf", nginx::config(&facts, &WebServer::default())?));
    files.extend(apt::files(&facts, &apt::AptClientChoice::default(), &url, apt::Keys::Inline)?);
    let choice = cloud_init::CloudInitChoice { serve_url: Some(url), ..cloud_init::CloudInitChoice::default() };
    files.push(SetupFile::new("gapferry-user-data.yaml", cloud_init::user_data(&facts, &choice)?));
    let choice = MaasChoice { serve_url: SITE.to_owned(), ..MaasChoice::default() };
    files.push(SetupFile::new("gapferry-maas.sh", maas::script(&facts, &wanted(site, &choice)?)));
    Ok(files)
}

/// Lets a program read a file, if there is such a program; its name, or none.
fn check(program: &'static str, arguments: &[&str], file: &Path) -> Result<Option<&'static str>, DemoError> {
    let Some(path) = find(program) else { return Ok(None) };
    let ran = Command::new(path).args(arguments).arg(file).env("LC_ALL", "C.UTF-8").output();
    let ran = ran.map_err(DemoError::io("run", Path::new(program)))?;
    match ran.status.success() {
        true => Ok(Some(program)),
        false => {
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            Err(DemoError::failed(format!("{program} does not take {}: {said}", file.display())))
        }
    }
}

/// A program, also where only the administrator looks for it.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The body of an answer to a request for `path` of `host`.
fn get(server: &Server, host: &str, path: &str) -> Result<Vec<u8>, DemoError> {
    let wrong = |error: std::io::Error| DemoError::failed(format!("http://{host}{path} is not answered: {error}"));
    let ask = || {
        let mut stream = TcpStream::connect(server.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(wrong)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match end.and_then(|end| answer.get(end..)).filter(|_| answer.starts_with(b"HTTP/1.1 200 ")) {
        Some(body) => Ok(body.to_vec()),
        None => {
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
            Err(DemoError::failed(format!("http://{host}{path} is answered with {}", String::from_utf8_lossy(line))))
        }
    }
}
