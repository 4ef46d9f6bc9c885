//! What depends on the machine: certificates, proxies, a full disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::error_class::ErrorClass;
use gapferry::fetch::{FetchError, FetchOptions, Fetcher};

use super::super::support::server::{Fault, Server, Times};
use super::super::support::tls;
use super::{Bench, content, quick};
use crate::support::skip::{Needs, skip};

#[test]
fn https_needs_the_right_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (ca_file, server) = tls::authority(folder.path());
    let bench = Bench::with(FetchOptions { ca_file: Some(ca_file), ..quick() });
    let secure = Server::start_tls(&bench.upstream(""), server);
    let mut wanted = bench.put("a", &content(800_000, 1));
    wanted.urls = vec![secure.url("a")];
    bench.fetch_good(&wanted);

    let stranger = Bench::new();
    wanted.to = stranger.to("a");
    let error = stranger.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::VerificationFailed);
    assert!(!wanted.to.exists());

    secure.fault("down", Times::ALWAYS, Fault::Redirect(bench.server.url("a").to_string()));
    let error = bench.fetcher.get(&secure.url("down"), 1 << 20).unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error:?}");
    assert!(bench.server.requests("a").is_empty(), "never from https to http");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for ca_file in [empty, folder.path().join("absent.pem")] {
        let error = Fetcher::new(FetchOptions { ca_file: Some(ca_file), ..quick() }).err().expect("must fail");
        assert!(matches!(error, FetchError::Certificates { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Usage);
    }
}

/// Runs the ignored test `name` of this binary with these variables only.
fn child(name: &str, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fetch::environment::{name}"), "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn proxies_come_from_the_environment() {
    let bench = Bench::new();
    let proxy = bench.server.url("").to_string();
    let up = bench.upstream("").display().to_string();
    // On a system without a single certificate, too: http does not need them.
    let variables = [("http_proxy", proxy.as_str()), ("UP", &up), ("SSL_CERT_FILE", "/dev/null")];
    child("through_the_proxy", &variables);
    let asked = bench.server.requests("proxied");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target, "http://upstream.invalid/proxied", "a proxy gets the whole address");
    let direct = bench.server.url("proxied").to_string();
    let variables = [("http_proxy", "http://127.0.0.1:9/"), ("no_proxy", "127.0.0.1"), ("DIRECT", direct.as_str())];
    child("around_the_proxy", &variables);
    assert_eq!(bench.server.requests("proxied").len(), 2);
}

#[test]
#[ignore = "run by proxies_come_from_the_environment, with http_proxy set"]
fn through_the_proxy() {
    let Some(up) = std::env::var_os("UP") else { return };
    std::fs::write(Path::new(&up).join("proxied"), b"by proxy").unwrap();
    let fetcher = Fetcher::new(quick()).unwrap();
    assert_eq!(fetcher.get(&"http://upstream.invalid/proxied".parse().unwrap(), 100).unwrap(), b"by proxy");
}

#[test]
#[ignore = "run by proxies_come_from_the_environment, with no_proxy set"]
fn around_the_proxy() {
    let Ok(direct) = std::env::var("DIRECT") else { return };
    assert_eq!(Fetcher::new(quick()).unwrap().get(&direct.parse().unwrap(), 100).unwrap(), b"by proxy");
}

/// A file system of one mebibyte, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let bench = Bench::with(FetchOptions { concurrency: 2, ..quick() });
    let Some(disk) = SmallDisk::mount(bench.folder.path().join("disk")) else {
        return skip(Needs::Mounts, "this user cannot mount a tmpfs");
    };
    let wanted: Vec<_> = (0..100)
        .map(|i| {
            let mut wanted = bench.put(&format!("f{i}"), &content(300_000, i));
            wanted.to = disk.0.join(format!("f{i}"));
            wanted
        })
        .collect();
    let mut done = Vec::new();
    let errors = bench
        .fetcher
        .fetch_all(wanted, &gapferry::progress::Progress::hidden(), |finished| done.push(finished))
        .unwrap_err();
    assert_eq!(errors.class(), ErrorClass::NoSpace);
    assert!(matches!(errors.errors[0], FetchError::NoSpace { .. }), "{errors:?}");
    assert!(errors.errors.len() < 10, "the rest is not tried: {errors:?}");
    assert!(!done.is_empty() && done.len() < 5, "{} done", done.len());
    for finished in done {
        assert_eq!(std::fs::metadata(&finished.wanted.to).unwrap().len(), 300_000);
    }
}
