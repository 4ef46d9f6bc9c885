//! Serves the current generation over HTTP: by path, and by the host names of the upstreams that it stands for.
//!
//! Each request looks up `current` once and is answered from that generation, so a switch needs no restart and no answer is
//! made of two states.

mod resolve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use self::resolve::Resolver;
use crate::exit::Exit;
use crate::site::Site;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: is another server there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The runtime does not start, or waiting for a signal failed.
    #[error("cannot run the server")]
    Run(#[source] io::Error),
}

impl ServeError {
    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Listen { .. } => Exit::Usage,
            Self::Run(_) => Exit::Failed,
        }
    }
}

/// A running server; it ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
    runtime: Runtime,
}

impl Server {
    /// Starts to serve the site at `address`; port 0 takes a free one.
    pub fn start(site: &Site, address: SocketAddr) -> Result<Self, ServeError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(ServeError::Run)?;
        let listen = |source| ServeError::Listen { address, source };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let router = Router::new().fallback(answer).with_state(Arc::new(Resolver::new(site.root())));
        let task = runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, task, runtime })
    }

    /// Serves until SIGINT or SIGTERM.
    pub fn run_until_signal(self) -> Result<(), ServeError> {
        use tokio::signal::unix::{SignalKind, signal};
        let wait = async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            io::Result::Ok(())
        };
        self.runtime.block_on(wait).map_err(ServeError::Run)?;
        self.task.abort();
        self.runtime.shutdown_background();
        Ok(())
    }
}

/// Serves the site until SIGINT or SIGTERM; tells `ready` where.
pub fn serve(site: &Site, address: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let server = Server::start(site, address)?;
    ready(server.address);
    server.run_until_signal()
}

async fn answer(State(resolver): State<Arc<Resolver>>, mut request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(host).unwrap_or_default();
    let Some(file) = resolver.resolve(host, request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Metadata changes under its name; a part of it must never be joined to a part of what was there before.
    if !file.immutable {
        request.headers_mut().remove(header::RANGE);
    }
    match ServeFile::new(file.path).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
