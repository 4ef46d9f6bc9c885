//! Serves the current generation over HTTP and TLS: by path, by the host names of the upstreams that it stands for, and as a
//! snap store.
//!
//! Each request looks up `current` once and is answered from that generation, so a switch needs no restart and no answer is
//! made of two states.

mod listen;
mod resolve;
pub mod status;
pub mod store;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

pub use self::listen::{Listen, Tls, TlsError, TlsFlaw};
use self::resolve::{Found, Resolver};
use crate::exit::Exit;
use crate::site::Site;

/// How long answers that are under way may take when the server ends.
const GRACE: Duration = Duration::from_secs(3);

/// How long a connection may be open before a request has come in full, its body left aside.
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The runtime does not start, or waiting for a signal failed.
    #[error("cannot run the server")]
    Run(#[source] io::Error),
}

impl ServeError {
    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Listen { .. } | Self::Tls(_) => Exit::Usage,
            Self::Run(_) => Exit::Failed,
        }
    }
}

/// A running server; it ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens for plain HTTP.
    pub address: SocketAddr,
    /// Where it listens for TLS.
    pub tls_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
    handle: Handle<SocketAddr>,
    runtime: Runtime,
}

impl Server {
    /// Starts to serve the site.
    pub fn start(site: &Site, listen: impl Into<Listen>) -> Result<Self, ServeError> {
        let listen = listen.into();
        let config = listen.tls.as_ref().map(Tls::config).transpose()?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(ServeError::Run)?;
        let resolver = Arc::new(Resolver::new(site.root()));
        let handle = Handle::new();
        let service = |scheme| {
            let service = Service { resolver: resolver.clone(), scheme };
            Router::new().fallback(answer).with_state(service).into_make_service()
        };
        let (listener, address) = bind(&runtime, listen.http)?;
        let server = patient(axum_server::Server::from_listener(listener)).handle(handle.clone());
        let mut tasks = vec![runtime.spawn(server.serve(service("http")))];
        let mut tls_address = None;
        if let Some((tls, config)) = listen.tls.as_ref().zip(config) {
            let (listener, address) = bind(&runtime, tls.address)?;
            let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(config));
            let server = patient(axum_server::Server::from_listener(listener).acceptor(acceptor));
            tasks.push(runtime.spawn(server.handle(handle.clone()).serve(service("https"))));
            tls_address = Some(address);
        }
        Ok(Self { address, tls_address, tasks, handle, runtime })
    }

    /// Serves until SIGINT or SIGTERM; answers that are under way then have a few seconds to be completed.
    pub fn run_until_signal(self) -> Result<(), ServeError> {
        use tokio::signal::unix::{SignalKind, signal};
        let wait = async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            self.handle.graceful_shutdown(Some(GRACE));
            for task in self.tasks {
                let _ = task.await; // however it ended, it has
            }
            io::Result::Ok(())
        };
        self.runtime.block_on(wait).map_err(ServeError::Run)?;
        self.runtime.shutdown_background();
        Ok(())
    }
}

fn bind(runtime: &Runtime, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = runtime.block_on(TcpListener::bind(address)).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// HTTP/1.1, on connections that are closed when no request comes.
fn patient<A>(server: axum_server::Server<SocketAddr, A>) -> axum_server::Server<SocketAddr, A> {
    let mut server = server.http1_only();
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    server
}

/// Serves the site until SIGINT or SIGTERM; tells `ready` of the running server.
pub fn serve(site: &Site, listen: impl Into<Listen>, ready: impl FnOnce(&Server)) -> Result<(), ServeError> {
    let server = Server::start(site, listen)?;
    ready(&server);
    server.run_until_signal()
}

/// What one listener answers from.
#[derive(Clone, Debug)]
struct Service {
    resolver: Arc<Resolver>,
    /// `http` or `https`.
    scheme: &'static str,
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(host).unwrap_or_default().to_owned();
    let state = service.resolver.current();
    if let Some(state) = &state
        && store::is_path(request.uri().path())
        && !state.is_of_upstream(&host, request.uri().path())
        && let Some(catalogue) = state.catalogue().await
    {
        return store::answer(&catalogue, service.resolver.root(), service.scheme, request).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match state.and_then(|state| state.resolve(&host, request.uri().path())) {
        Some(found) => file(found, request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The bytes of a file, or those of them that are asked for.
async fn file(found: Found, mut request: Request) -> Response {
    // Metadata changes under its name; a part of it must never be joined to a part of what was there before.
    if !found.immutable {
        request.headers_mut().remove(header::RANGE);
    }
    match ServeFile::new(found.path).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
