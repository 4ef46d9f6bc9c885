//! An HTTP/1.1 server over a folder, on loopback, that can be as broken and as hostile as a test wants.
//!
//! ```ignore
//! let server = Server::start(folder.path());
//! server.fault("pool/a.deb", Times(1), Fault::CutAt(1000));
//! fetch(server.url("pool/a.deb"));
//! assert_eq!(server.requests("pool/a.deb").len(), 2);
//! ```
//!
//! Paths that [`Server::on`] names are answered by a function instead of a file. It knows GET, HEAD, POST, keep-alive, `Range: bytes=n-`, strong `ETag`s, `If-Range`, `If-None-Match` and (as a proxy does) targets in absolute
//! form. Faults are set per path; several at once combine. Every request is remembered. Each server has its own port and its own
//! threads, which end when it is dropped.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tls::TlsServer;

/// For how many requests a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) usize);

impl Times {
    /// For every request.
    pub(crate) const ALWAYS: Self = Self(usize::MAX);
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answers with this status, these headers and a short text.
    Status(u16, Vec<(&'static str, &'static str)>),
    /// Redirects (302) to this address.
    Redirect(String),
    /// Closes the connection after so many bytes of the body.
    CutAt(usize),
    /// Sends nothing more after so many bytes of the body.
    StallAt(usize),
    /// Sends nothing at all.
    Silent,
    /// Sends a byte at a time with this pause after each.
    Drip(Duration),
    /// Claims this Content-Length, whatever the body is.
    Announce(usize),
    /// Sends so many bytes too many, as a chunked body.
    ChunkedExtra(usize),
    /// Sends no length and closes the connection after so many bytes of the body.
    Unframed(usize),
    /// Flips all bits of the byte at this offset of the file.
    Flip(usize),
    /// Ignores `Range`.
    NoRanges,
    /// Names another start in `Content-Range` than was asked for (and sends from there).
    WrongRange,
    /// Answers 416 to every `Range`.
    RangeRefused,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The target, as it was sent.
    pub(crate) target: String,
    /// Headers, with names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The body, of the length that the headers name.
    pub(crate) body: Vec<u8>,
}

/// Answers all requests, with a status and a body.
type Program = Arc<dyn Fn(&Request) -> (u16, Vec<u8>) + Send + Sync>;

/// Decides whether a request may have its answer.
type Guard = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// Answers requests for a path.
type Handler = Arc<dyn Fn(&Request) -> Vec<u8> + Send + Sync>;

/// A path with its escapes resolved.
pub(crate) fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

impl Request {
    /// The path below the root, without a query; also for targets in absolute form.
    pub(crate) fn path(&self) -> &str {
        let target = match self.target.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => self.target.trim_start_matches('/'),
        };
        target.split('?').next().unwrap_or(target)
    }

    /// The header of this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A running server. Dropping it stops it.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

struct State {
    root: PathBuf,
    tls: Option<TlsServer>,
    faults: Mutex<HashMap<String, Vec<(usize, Fault)>>>,
    handlers: Mutex<HashMap<String, Handler>>,
    dates: Mutex<HashMap<String, String>>,
    program: Mutex<Option<Program>>,
    guard: Mutex<Option<Guard>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    stop: AtomicBool,
}

impl Server {
    /// Serves the folder `root` over HTTP.
    pub(crate) fn start(root: &Path) -> Self {
        Self::run(root, None)
    }

    /// Serves the folder `root` over HTTPS.
    pub(crate) fn start_tls(root: &Path, tls: TlsServer) -> Self {
        Self::run(root, Some(tls))
    }

    fn run(root: &Path, tls: Option<TlsServer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind to loopback");
        let address = listener.local_addr().expect("address of the listener");
        let state = Arc::new(State {
            root: root.to_owned(),
            tls,
            faults: Mutex::default(),
            handlers: Mutex::default(),
            dates: Mutex::default(),
            program: Mutex::default(),
            guard: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let shared = state.clone();
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), state) = (stream, shared.clone()) else { continue };
                state.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || state.connection(stream));
            }
        });
        Self { address, state, accepting: Some(accepting) }
    }

    /// The address of `path` on this server.
    pub(crate) fn url(&self, path: &str) -> url::Url {
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/{path}", self.address).parse().expect("an address")
    }

    /// Adds a fault to `path` for the next requests.
    pub(crate) fn fault(&self, path: &str, times: Times, fault: Fault) {
        self.state.faults.lock().unwrap().entry(path.to_owned()).or_default().push((times.0, fault));
    }

    /// Answers requests for `path` with what `handler` makes of them.
    pub(crate) fn on(&self, path: &str, handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) {
        self.state.handlers.lock().unwrap().insert(path.to_owned(), Arc::new(handler));
    }

    /// Sends `Last-Modified` with the file at `path`.
    pub(crate) fn date(&self, path: &str, date: &str) {
        self.state.dates.lock().unwrap().insert(path.to_owned(), date.to_owned());
    }

    /// Answers all requests with what `program` makes of them, instead of files.
    pub(crate) fn answer_all(&self, program: impl Fn(&Request) -> (u16, Vec<u8>) + Send + Sync + 'static) {
        *self.state.program.lock().unwrap() = Some(Arc::new(program));
    }

    /// Refuses all requests for which `guard` returns false: 401, which asks for Basic credentials.
    pub(crate) fn guard(&self, guard: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        *self.state.guard.lock().unwrap() = Some(Arc::new(guard));
    }

    /// Wants Basic credentials for everything.
    pub(crate) fn wants_login(&self, user: &str, password: &str) {
        let wanted = basic(user, password);
        self.guard(move |request| request.header("authorization") == Some(&wanted));
    }

    /// Takes all faults from `path`.
    pub(crate) fn heal(&self, path: &str) {
        self.state.faults.lock().unwrap().remove(path);
    }

    /// The requests for `path` so far.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.state.requests.lock().unwrap().iter().filter(|request| request.path() == path).cloned().collect()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; the others see the flag within milliseconds or at the end of their connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// What goes over the wire, after all faults have had their say.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    cut: Option<usize>,
    stall: Option<usize>,
    drip: Option<Duration>,
}

impl State {
    fn connection(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(tls.wrap(stream)),
            None => Box::new(stream),
        };
        let mut stream = BufReader::new(stream);
        while !self.stop.load(Ordering::SeqCst) {
            let Ok(Some(request)) = read_request(&mut stream) else { return };
            self.requests.lock().unwrap().push(request.clone());
            match self.answer(&request) {
                Some(answer) => match self.send(stream.get_mut(), &request, answer) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return,
                },
                None => return self.wait_for_stop(),
            }
        }
    }

    fn faults_for(&self, path: &str) -> Vec<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let Some(list) = faults.get_mut(path) else { return Vec::new() };
        list.retain(|(times, _)| *times > 0);
        list.iter_mut().for_each(|(times, _)| *times -= 1);
        list.iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// The answer to `request`; `None` for silence.
    fn answer(&self, request: &Request) -> Option<Answer> {
        let faults = self.faults_for(request.path());
        if faults.iter().any(|fault| matches!(fault, Fault::Silent)) {
            return None;
        }
        let guard = self.guard.lock().unwrap().clone();
        if guard.is_some_and(|guard| !guard(request)) {
            let mut answer = text_answer(401, "who is it?");
            answer.headers.push(("WWW-Authenticate".into(), "Basic realm=\"tests\"".into()));
            faults.into_iter().for_each(|fault| answer.apply(fault));
            return Some(answer);
        }
        let program = self.program.lock().unwrap().clone();
        if let Some(program) = program {
            let (status, body) = program(request);
            // As Twisted refuses what it cannot read: a status line, and the connection ends.
            let is_curt = status == 400 && body.is_empty();
            let framing = if is_curt { Framing::Close } else { Framing::Length(body.len()) };
            let mut answer = Answer { status, body, framing, ..text_answer(status, "") };
            faults.into_iter().for_each(|fault| answer.apply(fault));
            return Some(answer);
        }
        let handler = self.handlers.lock().unwrap().get(request.path()).cloned();
        let found = if let Some(handler) = handler {
            Ok(handler(request))
        } else if request.path().split('/').any(|part| part == "..") {
            Err(io::ErrorKind::NotFound.into())
        } else {
            std::fs::read(self.root.join(decoded(request.path())))
        };
        let mut answer = match found {
            Ok(bytes) => file_answer(request, bytes, &faults),
            Err(_) => text_answer(404, "no such file"),
        };
        answer
            .headers
            .extend(self.dates.lock().unwrap().get(request.path()).map(|date| ("Last-Modified".into(), date.clone())));
        for fault in faults {
            answer.apply(fault);
        }
        Some(answer)
    }

    /// Sends the answer; says whether the connection can be used again.
    fn send(&self, stream: &mut dyn Stream, request: &Request, answer: Answer) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &match answer.framing {
            Framing::Length(length) => format!("Content-Length: {length}\r\n\r\n"),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            Framing::Close => "Connection: close\r\n\r\n".to_owned(),
        };
        stream.write_all(head.as_bytes())?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        let end = answer.body.len();
        let stop = answer.cut.or(answer.stall).unwrap_or(end).min(end);
        for piece in answer.body[..stop].chunks(if answer.drip.is_some() { 1 } else { 1 << 16 }) {
            if let Framing::Chunked = answer.framing {
                write!(stream, "{:x}\r\n", piece.len())?;
            }
            stream.write_all(piece)?;
            if let Framing::Chunked = answer.framing {
                stream.write_all(b"\r\n")?;
            }
            if let Some(pause) = answer.drip {
                stream.flush()?;
                std::thread::sleep(pause);
                if self.stop.load(Ordering::SeqCst) {
                    return Ok(false);
                }
            }
        }
        if answer.cut.is_none() && answer.stall.is_none() && matches!(answer.framing, Framing::Chunked) {
            stream.write_all(b"0\r\n\r\n")?;
        }
        stream.flush()?;
        if answer.stall.is_some() {
            self.wait_for_stop();
        }
        Ok(answer.cut.is_none() && matches!(answer.framing, Framing::Chunked | Framing::Length(_)))
    }

    /// Keeps a connection open without a byte.
    fn wait_for_stop(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Request { method, target, headers, body }))
}

/// The `Authorization` header for Basic credentials.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn text_answer(status: u16, text: &str) -> Answer {
    let (body, framing) = (text.as_bytes().to_vec(), Framing::Length(text.len()));
    Answer { status, headers: Vec::new(), body, framing, cut: None, stall: None, drip: None }
}

fn file_answer(request: &Request, mut bytes: Vec<u8>, faults: &[Fault]) -> Answer {
    let mut flipped = 0;
    for fault in faults {
        if let Fault::Flip(offset) = fault {
            bytes[*offset] ^= 0xff;
            flipped += 1;
        }
    }
    let size = bytes.len();
    // Cheap, since the speed of downloads is measured against this server.
    let etag = format!("\"{size}-{flipped}-{:?}\"", bytes.first());
    if request.header("if-none-match") == Some(&etag) {
        return text_answer(304, "");
    }
    let ignored = faults.iter().any(|fault| matches!(fault, Fault::NoRanges));
    let stale = request.header("if-range").is_some_and(|validator| validator != etag);
    let asked = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let range = asked.filter(|_: &usize| !ignored && !stale);
    let mut answer = text_answer(200, "");
    answer.headers.push(("ETag".into(), etag));
    match range {
        Some(_) if faults.iter().any(|fault| matches!(fault, Fault::RangeRefused)) => return text_answer(416, "no"),
        Some(from) if from >= size => return text_answer(416, "past the end"),
        Some(from) => {
            let wrong = faults.iter().any(|fault| matches!(fault, Fault::WrongRange));
            let from = if wrong { from / 2 } else { from };
            answer.status = 206;
            answer.headers.push(("Content-Range".into(), format!("bytes {from}-{}/{size}", size - 1)));
            bytes.drain(..from);
        }
        None => {}
    }
    (answer.framing, answer.body) = (Framing::Length(bytes.len()), bytes);
    answer
}

impl Answer {
    fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Status(status, headers) => {
                *self = text_answer(status, "fault");
                self.headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            }
            Fault::Redirect(to) => {
                *self = text_answer(302, "elsewhere");
                self.headers.push(("Location".into(), to));
            }
            Fault::CutAt(bytes) => self.cut = Some(bytes),
            Fault::StallAt(bytes) => self.stall = Some(bytes),
            Fault::Drip(pause) => self.drip = Some(pause),
            Fault::Announce(length) => self.framing = Framing::Length(length),
            Fault::ChunkedExtra(extra) => {
                self.body.resize(self.body.len() + extra, b'!');
                self.framing = Framing::Chunked;
            }
            Fault::Unframed(bytes) => {
                self.body.truncate(bytes);
                self.framing = Framing::Close;
            }
            // These have been seen to, where the file was read.
            Fault::Silent | Fault::Flip(_) | Fault::NoRanges | Fault::WrongRange | Fault::RangeRefused => {}
        }
    }
}
