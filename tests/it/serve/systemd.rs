//! Sockets from systemd, readiness, and the units in packaging/systemd.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::apt_client::output;
use crate::support::desk::{Desk, clean};
use crate::support::world::gapferry;

/// What systemd does before it starts a service: a listening socket as file 3, and words about it.
const START: &str = "
import os, socket, sys
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(8)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
print(s.getsockname()[1], flush=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
";

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn start(desk: &Desk, notify: &str) -> (Service, String) {
    let mut command = Command::new("python3");
    command.args(["-c", START, "gapferry-serve.socket"]).arg(gapferry());
    // An address that cannot be had, which does not matter.
    command.args(["serve", "--site", "site", "--listen", "192.0.2.1:1", "--quiet"]).current_dir(desk.path(""));
    clean(&mut command);
    command.env("NOTIFY_SOCKET", notify).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("python3 is needed; tests/run installs it");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Service(child), format!("127.0.0.1:{}", line.trim()))
}

#[test]
fn a_socket_is_taken_over_and_readiness_is_told() {
    let desk = super::tree::desk();
    let name = format!("gapferry-test-{}", std::process::id());
    let path = desk.path("notify").to_str().unwrap().to_owned();
    let of_name = SocketAddr::from_abstract_name(&name).unwrap();
    let sockets = [
        (UnixDatagram::bind(&path).unwrap(), path.clone()),
        (UnixDatagram::bind_addr(&of_name).unwrap(), format!("@{name}")),
    ];
    for (socket, notify) in sockets {
        socket.set_read_timeout(Some(crate::support::desk::PATIENCE)).unwrap();
        let hear = || {
            let mut text = [0; 500];
            let length = socket.recv(&mut text).expect("the service tells its state");
            String::from_utf8(text[..length].to_vec()).unwrap()
        };
        let (service, address) = start(&desk, &notify);
        assert!(hear().starts_with("READY=1\n"));
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("no-generation"), "{answer}");
        let signal = |name: &str| drop(output(Command::new("kill").args([name, &service.0.id().to_string()])));
        signal("-HUP");
        let reloading = hear();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert!(hear().starts_with("READY=1\n"));
        signal("-TERM");
        assert_eq!(hear(), "STOPPING=1");
    }
}

/// The units as they are, but for the program's path.
#[test]
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for unit in ["gapferry-serve.service", "gapferry-serve.socket"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(unit);
        let text = fs::read_to_string(source).unwrap().replace("/usr/bin/gapferry", gapferry().to_str().unwrap());
        fs::write(folder.path().join(unit), text).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command
        .arg("verify")
        .arg(folder.path().join("gapferry-serve.socket"))
        .arg(folder.path().join("gapferry-serve.service"));
    let ended = output(&mut command);
    let words = String::from_utf8_lossy(&ended.stderr);
    let ours: Vec<&str> = words.lines().filter(|line| line.contains("gapferry")).collect();
    assert!(ours.is_empty(), "{words}");
}
