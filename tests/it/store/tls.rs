//! The same over TLS, with a certificate made by openssl, asked by curl.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gapferry::cli::Exit;
use serde_json::Value;

use super::fixture::desk;
use crate::apt_client::run;
use crate::support::desk::Desk;
use crate::support::snaps::{snap, snap_id};
use crate::support::tls::authority;

const TLS: &str = "--listen 127.0.0.1:0 --tls-listen 127.0.0.1:0";

/// A server with both listeners.
struct Both {
    child: Child,
    http: String,
    https: String,
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn serve(desk: &Desk) -> Both {
    let mut command = desk.command(&format!("serve --site site {TLS} --tls-cert server.pem --tls-key key.pem --json"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut address = || {
        let line = lines.next().expect("the server says where it listens").unwrap();
        line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).trim_end_matches('/').to_owned()
    };
    let (http, https) = (address(), address());
    Both { child, http, https }
}

fn curl(desk: &Desk, arguments: &[&str]) -> String {
    run(Command::new("curl").args(["-sS", "--noproxy", "*", "--cacert"]).arg(desk.path("ca.pem")).args(arguments))
}

#[test]
fn devices_are_answered_over_tls_and_sent_to_tls() {
    let desk = desk();
    authority(&desk.path(""));
    let both = serve(&desk);
    assert!(both.https.starts_with("https://127.0.0.1:") && both.http.starts_with("http://127.0.0.1:"));
    let body = r#"{"actions":[{"action":"install","name":"words","instance-key":"i"}]}"#;
    for base in [&both.http, &both.https] {
        for version in ["--tlsv1.2", "--tls-max=1.2"] {
            let version: Vec<&str> = version.split('=').collect();
            let target = format!("{base}/v2/snaps/refresh");
            let text = curl(&desk, &[&version[..], &["-d", body, &target]].concat());
            let reply: Value = serde_json::from_str(&text).unwrap();
            let url = reply["results"][0]["snap"]["download"]["url"].as_str().unwrap();
            assert_eq!(url, format!("{base}/api/v1/snaps/download/{}_3.snap", snap_id("words")));
            curl(&desk, &["-o", desk.path("got").to_str().unwrap(), "-f", url]);
            assert!(fs::read(desk.path("got")).unwrap() == snap("words", 3));
        }
    }
    // Neither older versions of TLS, nor plain HTTP there.
    let refused = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "-o", "/dev/null", "--cacert"]).arg(desk.path("ca.pem"));
        !command.args(arguments).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(refused(&["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &both.https]));
    assert!(refused(&[&both.https.replace("https:", "http:")]));
}

#[test]
fn it_ends_when_it_is_told_to() {
    let desk = desk();
    authority(&desk.path(""));
    let mut both = serve(&desk);
    // A connection that stays open does not keep it.
    let idle = std::net::TcpStream::connect(both.http.trim_start_matches("http://")).unwrap();
    let started = Instant::now();
    run(Command::new("kill").args(["-TERM", &both.child.id().to_string()]));
    let status = both.child.wait().unwrap();
    assert!(status.success() && started.elapsed() < Duration::from_secs(60), "{status} {:?}", started.elapsed());
    let out = std::io::read_to_string(both.child.stdout.take().unwrap()).unwrap();
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(format!("https://{}", result["tls_address"].as_str().unwrap()), both.https);
    drop(idle);
}

#[test]
fn certificates_that_cannot_be_used() {
    let desk = desk();
    authority(&desk.path(""));
    fs::write(desk.path("empty.pem"), "").unwrap();
    fs::write(desk.path("broken.pem"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    let locked = "openssl ec -aes256 -passout pass:x -in key.pem -out old.pem; openssl pkcs8 -topk8 -passout pass:x -in key.pem -out locked.pem";
    run(Command::new("sh").args(["-c", locked]).current_dir(desk.path("")));
    for (certificate, key, words) in [
        ("none.pem", "key.pem", &["none.pem", "cannot be read"][..]),
        ("server.pem", "none.pem", &["none.pem", "cannot be read"]),
        ("empty.pem", "key.pem", &["empty.pem", "no certificate"]),
        ("broken.pem", "key.pem", &["broken.pem", "no PEM file"]),
        ("key.pem", "key.pem", &["key.pem", "no certificate"]),
        ("server.pem", "server.pem", &["server.pem", "no private key"]),
        ("server.pem", "locked.pem", &["locked.pem", "no private key without a passphrase"]),
        ("server.pem", "ca.key", &["ca.key", "not the key of the certificate", "server.pem"]),
    ] {
        let ended = desk.run(&format!("serve --site site {TLS} --tls-cert {certificate} --tls-key {key}"));
        ended.says(Exit::Usage, words);
    }
    desk.run(&format!("serve --site site {TLS} --tls-cert server.pem")).says(Exit::Usage, &["--tls-key"]);
    desk.run("serve --site site --tls-key key.pem").says(Exit::Usage, &["--tls-listen"]);
}
