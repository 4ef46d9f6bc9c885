//! Names: each configuration is taken by its program, answers for the upstreams' hosts, and leaves all others alone.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::fixture::{ARCHIVE, IMAGES, Running, set_store, setup, text, world};
use crate::apt_client::run;
use crate::support::cage::{Cage, Plan};
use crate::support::desk::wait_for;
use crate::support::port::port;

const ADDRESSES: &str = "--address 10.0.0.5,fd00::5";

/// The kind of record that apt asks for before it asks for a host (RFC 2782).
const SRV: u16 = 33;
/// The response code for a name that does not exist (RFC 1035, section 4.1.1).
const NO_SUCH_NAME: u8 = 3;

/// Asks the server at `port` for records of `name` of this kind: the response code and how many answers there are, with the
/// last bytes of the answer.
fn ask(port: u16, name: &str, kind: u16) -> (u8, u16, Vec<u8>) {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.push(0);
    question.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let answered = || {
        // Refused while the server is starting.
        socket.send_to(&question, ("127.0.0.1", port)).ok()?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).ok()?;
        let count = u16::from_be_bytes([answer[6], answer[7]]);
        let end = question.len() + 12 + if kind == 28 { 16 } else { 4 };
        Some((answer[3] & 15, count, answer[..length.min(end)].to_vec()))
    };
    wait_for(|| format!("no answer for {name}"), answered)
}

/// The names that the name server for everything was asked for.
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The name in a question (RFC 1035, section 4.1.2).
fn name_in(question: &[u8]) -> String {
    let (mut labels, mut rest) = (Vec::new(), &question[12..]);
    while let Some((length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, next) = after.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        rest = next;
    }
    labels.join(".")
}

/// A name server for everything: each name has the address 192.0.2.9. It answers nothing about services, like one that a
/// gap keeps out of reach.
fn elsewhere() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            ASKED.lock().unwrap().push(name_in(&buffer[..length]));
            if buffer[12..].starts_with(b"\x05_http\x04_tcp") || buffer[12..].starts_with(b"\x06_https\x04_tcp") {
                continue;
            }
            let end = 12 + buffer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            let mut answer = buffer[..end.min(length)].to_vec();
            let is_address = buffer[end - 3] == 1;
            (answer[2], answer[3]) = (0x81, 0x80);
            answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
            if is_address {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 9]);
            }
            let _ = socket.send_to(&answer, client);
        }
    });
    port
}

/// What every server must do, asked at `port`.
fn check(port: u16) {
    for host in [ARCHIVE, IMAGES, "api.snapcraft.io", "snaps.dc1.example", "gapferry.dc1.example"] {
        let (code, count, bytes) = ask(port, host, 1);
        assert!((code, count) == (0, 1) && bytes.ends_with(&[10, 0, 0, 5]), "{host}: {code} {count} {bytes:?}");
        let (code, count, bytes) = ask(port, host, 28);
        assert!(
            (code, count) == (0, 1) && bytes.ends_with(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]),
            "{host}"
        );
        assert_eq!(ask(port, host, 15).1, 0, "{host} has no other records");
        for service in ["_http._tcp", "_https._tcp"] {
            let (code, count, _) = ask(port, &format!("{service}.{host}"), SRV);
            assert_eq!((code, count), (NO_SUCH_NAME, 0), "{service}.{host}");
        }
    }
    for host in ["below.archive.example.com", "example.com", "www.example.com", "snapcraft.io"] {
        let (code, count, bytes) = ask(port, host, 1);
        assert!((code, count) == (0, 1) && bytes.ends_with(&[192, 0, 2, 9]), "{host}: {code} {count} {bytes:?}");
    }
    let asked = ASKED.lock().unwrap();
    assert!(asked.iter().any(|name| name == "www.example.com"), "{asked:?}");
    for host in [ARCHIVE, IMAGES, "api.snapcraft.io", "snaps.dc1.example", "gapferry.dc1.example"] {
        let leaked = |name: &&String| **name == *host || name.ends_with(&format!("_tcp.{host}"));
        assert_eq!(asked.iter().find(leaked), None, "a question for a steered name has left the site");
    }
}

fn options() -> String {
    format!("{ADDRESSES} --serve-url http://gapferry.dc1.example")
}

#[test]
fn dnsmasq() {
    let (world, _site) = world();
    set_store(&world, "https://snaps.dc1.example/");
    fs::write(world.path("dnsmasq.conf"), text(&world, &format!("dns --for dnsmasq {}", options()))).unwrap();
    let file = format!("--conf-file={}", world.path("dnsmasq.conf").display());
    run(Command::new("dnsmasq").args(["--test", &file]));
    let (at, next) = (port(), elsewhere());
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", &file, "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv"]);
    command.args(["--no-hosts", "--user=root", "--log-facility=/dev/null", "--pid-file"]);
    command.args([format!("--port={at}"), format!("--server=127.0.0.1#{next}")]);
    let _running = Running::start(&mut command);
    check(at);
}

#[test]
fn unbound() {
    let (world, _site) = world();
    set_store(&world, "https://snaps.dc1.example/");
    setup(&world, &format!("dns --for unbound {} --out gapferry.conf", options())).ok();
    run(Command::new("unbound-checkconf").arg(world.path("gapferry.conf")));
    let (at, next, folder) = (port(), elsewhere(), world.path(""));
    let (folder, ours) = (folder.display(), world.path("gapferry.conf"));
    let settings = format!(
        "server:\n  interface: 127.0.0.1\n  port: {at}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  \
         directory: \"{folder}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"{folder}/log\"\n  \
         module-config: \"iterator\"\n  do-not-query-localhost: no\n  use-caps-for-id: no\n  qname-minimisation: no\n\
         include: \"{}\"\nremote-control:\n  control-enable: no\n\
         forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{next}\n",
        ours.display()
    );
    fs::write(world.path("unbound.conf"), settings).unwrap();
    run(Command::new("unbound-checkconf").arg(world.path("unbound.conf")));
    let _running = Running::start(Command::new("unbound").arg("-c").arg(world.path("unbound.conf")));
    check(at);
}

#[test]
fn bind() {
    let (world, _site) = world();
    set_store(&world, "https://snaps.dc1.example/");
    setup(&world, &format!("dns --for bind {} --out bind/", options())).ok();
    let folder = world.path("bind");
    run(Command::new("named-checkzone").arg("gapferry.rpz").arg(folder.join("gapferry.rpz")));
    let (at, next) = (port(), elsewhere());
    let settings = format!(
        "options {{\n  directory \"{0}\";\n  include \"{0}/gapferry-named-options.conf\";\n  \
         listen-on port {at} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  recursion yes;\n  \
         forwarders {{ 127.0.0.1 port {next}; }};\n  forward only;\n  dnssec-validation no;\n  pid-file none;\n  \
         session-keyfile none;\n}};\ncontrols {{ }};\ninclude \"{0}/gapferry-named.conf\";\n",
        folder.display()
    );
    fs::write(folder.join("named.conf"), settings).unwrap();
    run(Command::new("named-checkconf").arg("-z").arg(folder.join("named.conf")));
    let mut command = Command::new("named");
    command.args(["-f", "-n", "1", "-c"]).arg(folder.join("named.conf")).arg("-L").arg(folder.join("log"));
    let _running = Running::start(&mut command);
    check(at);
}

#[test]
fn hosts() {
    let (world, _site) = world();
    let hosts = format!("127.0.0.1 localhost\n{}", text(&world, "dns --for hosts --address 10.0.0.5"));
    let plan = Plan { texts: vec![("/etc/hosts", hosts)], ..Plan::default() };
    let Some(cage) = Cage::new("names by /etc/hosts", &plan) else { return };
    for host in [ARCHIVE, IMAGES, "api.snapcraft.io"] {
        let found = run(&mut cage.inside(Command::new("getent").args(["hosts", host])));
        assert!(found.starts_with("10.0.0.5 "), "{found}");
    }
    let other = cage.inside(Command::new("getent").args(["hosts", "below.archive.example.com"])).output().unwrap();
    assert!(!other.status.success());
}
