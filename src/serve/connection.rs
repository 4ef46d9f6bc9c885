//! Accepts connections, as many as there may be, and speaks HTTP/1.1 on each.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::client::{ClientConnection, Shared};
use super::metrics::{AnswerCounters, add};
use super::watched_stream::{Endpoint, WatchedStream};
use super::write_timeout::WriteTimeout;

/// How long to wait before the next connection is accepted, when the system has none to give.
const RECOVERY: Duration = Duration::from_millis(100);

/// How many bytes wait to be sent before more are read from a file; also bounds what is read of a request's head at once.
const BUFFERED: usize = 64 << 10;

/// Number of connections that may keep their buffers between two requests, which are some 16 KiB each. Dropping and making them
/// for every request takes a tenth of the time of a small answer.
pub(super) const MAX_WARM: usize = 512;

/// Time after which such a connection drops its buffers, if nothing was asked for.
const REST: Duration = Duration::from_millis(200);

/// What is said to a connection that is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where connections come in.
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    /// Settings for TLS, if that is spoken here.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) shared: Arc<Shared>,
    /// The counters of the thread that accepts.
    pub(super) counters: Arc<AnswerCounters>,
    /// Changes once, when the server ends.
    pub(super) closing: watch::Receiver<bool>,
}

impl Listener {
    /// Accepts connections until the server ends.
    pub(super) async fn run(mut self) {
        let mut closing = self.closing.clone();
        loop {
            let accepted = tokio::select! {
                _ = closing.changed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.admit(stream, address),
                // One that was closed again already; or there are no more files to be had, and waiting may help.
                Err(_) => sleep(RECOVERY).await,
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, address: SocketAddr) {
        let Ok(permit) = self.shared.free.clone().try_acquire_owned() else {
            add(&self.shared.metrics.refused, 1);
            if self.tls.is_none() {
                let _ = stream.try_write(FULL); // as a courtesy
            }
            return;
        };
        add(&self.shared.metrics.accepted, 1);
        add(&self.shared.metrics.open, 1);
        let (shared, tls, closing) = (self.shared.clone(), self.tls.clone(), self.closing.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = address.ip().to_canonical();
        let client = Arc::new(ClientConnection::new(shared, self.counters.clone(), scheme, address));
        tokio::spawn(async move {
            converse(stream, tls, &client, closing).await;
            client.shared.metrics.open.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }
}

async fn converse(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    client: &Arc<ClientConnection>,
    closing: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true); // only slower without
    let limits = &client.shared.limits;
    let stream = WriteTimeout::new(stream, limits.write);
    // In boxes of their own: the task of a connection keeps its largest size for as long as it lives.
    match tls {
        None => Box::pin(speak(stream, client, closing)).await,
        Some(config) => {
            let shaking = Box::pin(timeout(limits.handshake, TlsAcceptor::from(config).accept(stream)));
            if let Ok(Ok(stream)) = shaking.await {
                Box::pin(speak(stream, client, closing)).await;
            }
        }
    }
}

/// Answers requests, until the client or the server ends the connection. While nothing is asked, there is only the stream.
async fn speak(stream: impl Endpoint, client: &Arc<ClientConnection>, mut closing: watch::Receiver<bool>) {
    let mut stream = WatchedStream::new(stream, client.clone());
    loop {
        tokio::select! {
            biased;
            readable = timeout(client.shared.limits.request_head, stream.readable()) => {
                if !matches!(readable, Ok(Ok(()))) {
                    return;
                }
            }
            _ = closing.wait_for(|closing| *closing) => return,
        }
        match Box::pin(answer_until_rest(stream, client, &mut closing)).await {
            Some(at_rest) => stream = at_rest,
            None => return,
        }
    }
}

/// Answers one request after the other, and returns the stream when nothing has been asked for a moment; `None` if the
/// connection has ended.
async fn answer_until_rest<S: Endpoint>(
    stream: WatchedStream<S>,
    client: &Arc<ClientConnection>,
    closing: &mut watch::Receiver<bool>,
) -> Option<WatchedStream<S>> {
    let limits = &client.shared.limits;
    // Without a timer of the library's: setting it anew for each request costs a twentieth of a small answer.
    let mut http = http1::Builder::new();
    // The library's own limit of 100 header fields stays: any that is set, even the same, costs an allocation a request.
    http.max_header_size(limits.header_bytes);
    // One piece of a file is sent before the next is read. A client that has said all may still be answered.
    http.max_buf_size(BUFFERED).half_close(true);
    let service = service_fn(|request: Request<Incoming>| {
        client.activity.begin(); // before the answer's first step, which may come later
        let client = client.clone();
        async move { Ok::<_, Infallible>(super::answer::answer(&client, request).await) }
    });
    client.activity.begin_reading();
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let warm = client.shared.warm.try_acquire().ok();
    let mut look = pin!(sleep(REST));
    let mut asked_at = Instant::now();
    let until_rest = poll_fn(|cx| {
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(false); // however it ended, it has
        }
        if warm.is_none() && client.activity.is_at_rest() {
            return Poll::Ready(true);
        }
        while look.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if client.activity.was_asked() || !client.activity.waits_for_head() {
                asked_at = now;
            } else if client.activity.is_at_rest() {
                return Poll::Ready(true);
            } else if now.duration_since(asked_at) >= limits.request_head {
                return Poll::Ready(false);
            }
            look.as_mut().reset(now + REST);
        }
        Poll::Pending
    });
    let is_at_rest = tokio::select! {
        biased;
        is_at_rest = until_rest => Some(is_at_rest),
        closing = closing.wait_for(|closing| *closing) => if closing.is_ok() { None } else { Some(false) },
    };
    if is_at_rest.is_none() {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = connection.await;
        return None;
    }
    is_at_rest?.then(|| {
        let parts = connection.into_parts();
        let mut stream = parts.io.into_inner();
        stream.put_back(&parts.read_buf);
        stream
    })
}
