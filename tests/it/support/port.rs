//! Ports for programs that must be told one before they start, and for addresses where nobody listens.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// A port that is free for TCP and UDP, and that no other test takes until this process ends.
///
/// The kernel gives ports from 32768 on to whoever asks for any (ip(7), `ip_local_port_range`), so it is taken from below. An
/// abstract socket that is never closed marks it as taken.
pub(crate) fn port() -> u16 {
    let is_free = |port: &u16| {
        let name = SocketAddr::from_abstract_name(format!("gapferry-test-port-{port}")).unwrap();
        let Ok(mark) = UnixListener::bind_addr(&name) else { return false };
        std::mem::forget(mark);
        TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    (20_000..32_000).find(is_free).expect("a free port")
}
