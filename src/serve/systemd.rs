//! What systemd hands on and wants to know: sockets (sd_listen_fds(3)) and readiness (sd_notify(3)).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// Listening sockets that this process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For plain HTTP.
    pub http: Vec<TcpListener>,
    /// For TLS.
    pub https: Vec<TcpListener>,
}

impl Inherited {
    /// Takes the sockets; those called `https` (`FileDescriptorName=`) are for TLS.
    pub fn take() -> io::Result<Self> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = listenfd::ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..sockets.len() {
            let name = names.next();
            let Some(socket) = sockets.take_tcp_listener(index)? else { continue };
            socket.set_nonblocking(true)?;
            if name == Some("https") { &mut inherited.https } else { &mut inherited.http }.push(socket);
        }
        Ok(inherited)
    }
}

/// The server answers.
pub(super) fn ready() {
    notify("READY=1\nSTATUS=serving");
}

/// It opens its log again.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000));
}

/// It ends.
pub(super) fn stopping() {
    notify("STOPPING=1");
}

/// Tells the service manager; where there is none, nobody is told.
fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let send = || UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address(&path)?);
    let _ = send(); // a manager that does not listen is no reason not to serve
}

/// A path, or with `@` before it a name without one.
fn address(text: &OsStr) -> io::Result<SocketAddr> {
    match text.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(text),
    }
}
