//! A proxy between a client and the server, which lets something happen in the middle of the client's work.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs `client` with the address of a proxy that leads to `server`. Before the first answer to a request whose line has
/// `trigger` in it goes back, `meanwhile` runs. Fails if no such request came.
pub(crate) fn between(server: &str, trigger: &str, meanwhile: impl FnOnce() + Send, client: impl FnOnce(&str)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (over, meanwhile) = (AtomicBool::new(false), Mutex::new(Some(meanwhile)));
    thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming().take_while(|_| !over.load(Ordering::SeqCst)) {
                let meanwhile = &meanwhile;
                scope.spawn(move || forward(stream.unwrap(), server, trigger, meanwhile));
            }
        });
        // Also where the client fails, the proxy must end.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client(&address)));
        over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&address));
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(meanwhile.into_inner().unwrap().is_none(), "no request had {trigger}");
}

/// One request and its answer.
fn forward<F: FnOnce()>(mut client: TcpStream, server: &str, trigger: &str, meanwhile: &Mutex<Option<F>>) {
    let Some(request) = request(&mut client) else { return };
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let line = request.split(|byte| *byte == b'\r').next().unwrap();
    if String::from_utf8_lossy(line).contains(trigger)
        && let Some(meanwhile) = meanwhile.lock().unwrap().take()
    {
        meanwhile();
    }
    let _ = client.write_all(&answer); // the client may have seen enough
}

/// Head and body of a request, made the last one of its connection.
fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let is = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    let length =
        text.lines().find(|line| is(line, "content-length:")).map_or(0, |line| line[15..].trim().parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    let kept =
        text.lines().filter(|line| !line.is_empty() && !is(line, "connection:") && !is(line, "proxy-connection:"));
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    Some([head.as_bytes(), b"Connection: close\r\n\r\n", &body].concat())
}
