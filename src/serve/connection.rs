//! Accepts connections, as many as there may be, and speaks HTTP/1.1 on each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::client::{ClientConnection, Shared};
use super::metrics::add;
use super::write_timeout::WriteTimeout;

/// How long to wait before the next connection is accepted, when the system has none to give.
const RECOVERY: Duration = Duration::from_millis(100);

/// How many bytes wait to be sent before more are read from a file; also bounds what is read of a request's head at once.
const BUFFERED: usize = 64 << 10;

/// What is said to a connection that is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where connections come in.
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    /// Settings for TLS, if that is spoken here.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) shared: Arc<Shared>,
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
        let client = Arc::new(ClientConnection::new(shared, scheme, address));
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
    match tls {
        None => speak(stream, client, closing).await,
        Some(config) => {
            let shaken = timeout(limits.handshake, TlsAcceptor::from(config).accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                speak(stream, client, closing).await;
            }
        }
    }
}

/// Answers one request after the other, until the client or the server ends it.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: &Arc<ClientConnection>,
    mut closing: watch::Receiver<bool>,
) {
    let limits = &client.shared.limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.request_head);
    // The library's own limit of 100 header fields stays: any that is set, even the same, costs an allocation a request.
    http.max_header_size(limits.header_bytes);
    // One piece of a file is sent before the next is read. A client that has said all may still be answered.
    http.max_buf_size(BUFFERED).half_close(true);
    let service = service_fn(|request: Request<Incoming>| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(super::answer::answer(&client, request).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return, // however it ended, it has
        closing = closing.wait_for(|closing| *closing) => if closing.is_err() { return },
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
