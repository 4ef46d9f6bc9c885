//! Serves the current generation over HTTP and TLS: by path, by the host names of the upstreams that it stands for, and as a
//! snap store.
//!
//! Each request looks up `current` once and is answered from that generation, so a switch needs no restart and no answer is
//! made of two states. What an older generation had under a name that never changes stays available, so that a client in the
//! middle of an update can finish it. docs/serving.md says what is answered, and within which limits.

mod access_log;
mod activity;
mod answer;
mod client;
mod connection;
mod file;
mod health;
mod host;
mod limits;
mod listen;
mod metered_body;
mod metrics;
mod open_file_cache;
mod published_files;
mod resolve;
pub mod status;
pub mod store;
mod systemd;
mod watched_stream;
mod workers;
mod write_timeout;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use self::access_log::{AccessLog, LogThread};
use self::client::Shared;
use self::limits::FileBudget;
use self::metrics::Metrics;
use self::resolve::Resolver;
use self::status::WaitingList;
use self::workers::{Listening, Workers};
use crate::error_class::{ErrorClass, Fault};
use crate::shell::shell_word;
use crate::site::Site;
use crate::storage::FileError;

pub use self::access_log::LogTarget;
pub use self::limits::Limits;
pub use self::listen::{Listen, Tls};
pub use self::systemd::Inherited;

/// How a site is served.
#[derive(Debug)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: Listen,
    /// Sockets to use instead, as far as there are any.
    pub inherited: Inherited,
    /// What a client may take.
    pub limits: Limits,
    /// Where to note who asked for what.
    pub access_log: Option<LogTarget>,
}

impl<L: Into<Listen>> From<L> for ServeOptions {
    fn from(listen: L) -> Self {
        let (inherited, limits) = (Inherited::default(), Limits::default());
        Self { listen: listen.into(), inherited, limits, access_log: None }
    }
}

/// A failure to start the server.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Log(#[from] FileError),
}

impl ServeError {
    /// For `map_err`: the failure to use the sockets that this was started with.
    pub(crate) fn inherited(error: io::Error) -> Self {
        Fault::usage("cannot listen on the socket that this was started with").because(error).into()
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) => error.class(),
            Self::Log(error) => error.class(),
        }
    }
}

fn cannot_run(error: io::Error) -> Fault {
    Fault::failed("cannot run the server").because(error)
}

/// Returns the cause and the remedy for an address that the server cannot have; they follow the address in a message.
fn advice(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another server is there already; stop it, or give another --listen".to_owned(),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => format!(
            ": ports below 1024 are for root alone. Allow it with `sudo setcap cap_net_bind_service=+ep {}`, take the socket \
             from systemd (docs/serving.md), or give another port",
            std::env::current_exe().map_or_else(|_| "gapferry".to_owned(), |path| shell_word(&path.to_string_lossy()))
        ),
        io::ErrorKind::AddrNotAvailable => {
            ": this host does not have that address; 0.0.0.0 or [::] stands for all".to_owned()
        }
        _ => String::new(),
    }
}

/// A running server; it ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens for plain HTTP.
    pub address: SocketAddr,
    /// Where it listens for TLS.
    pub tls_address: Option<SocketAddr>,
    /// How many connections may be open at once: what was asked for, or as many as the limit of open files allows.
    pub max_connections: usize,
    shared: Arc<Shared>,
    log_writer: Option<LogThread>,
    workers: Workers,
}

impl Server {
    /// Starts to serve the site.
    pub fn start(site: &Site, options: impl Into<ServeOptions>) -> Result<Self, ServeError> {
        let options = options.into();
        let tls = options.listen.tls.as_ref().map(Tls::config).transpose()?;
        if tls.is_none() && !options.inherited.https.is_empty() {
            return Err(Fault::usage("this was started with a socket for TLS: name a certificate and its key").into());
        }
        let plain = listeners(options.inherited.http, options.listen.http)?;
        let encrypted = match &options.listen.tls {
            Some(tls) => listeners(options.inherited.https, tls.address)?,
            None => Vec::new(),
        };
        let (log, log_writer) = options.access_log.map(AccessLog::start).transpose()?.unzip();
        let sockets = plain.len() + encrypted.len();
        let budget = FileBudget::claim(Workers::wanted(), sockets, options.limits.connections)?;
        let limits = Limits { connections: budget.connections, ..options.limits };
        let shared = Arc::new(Shared {
            resolver: Arc::new(Resolver::new(site, budget.cached_files)),
            metrics: Metrics::new(budget.threads),
            log,
            limits,
            free: Arc::new(Semaphore::new(limits.connections)),
            waiting: WaitingList::default(),
            warm: Semaphore::new(connection::MAX_WARM),
        });
        let address = plain.first().map_or(options.listen.http, |(_, address)| *address);
        let tls_address = encrypted.first().map(|(_, address)| *address);
        let plain = plain.into_iter().map(|(listener, _)| (listener, None));
        let encrypted = encrypted.into_iter().map(|(listener, _)| (listener, tls.clone()));
        let listening: Vec<Listening> = plain.chain(encrypted).collect();
        let workers = Workers::start(budget.threads, &listening, &shared).map_err(cannot_run)?;
        Ok(Self { address, tls_address, max_connections: limits.connections, shared, log_writer, workers })
    }

    /// Serves until SIGINT or SIGTERM; answers that are under way then have a few seconds to be completed. SIGHUP opens the
    /// access log again. The service manager is told.
    pub fn run_until_signal(self) -> Result<(), ServeError> {
        self.run(Signals::new()?);
        Ok(())
    }

    fn run(self, signals: Signals) {
        signals.wait_for_the_end(&self);
        systemd::stopping();
        self.workers.end();
        drop(self.shared);
        if let Some(writer) = self.log_writer {
            let _ = writer.join(); // it has written what it could
        }
    }
}

/// The signals that end or refresh the server.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they are noted, and end nothing by themselves.
    fn new() -> Result<Self, ServeError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot_run)?;
        let of = |kind| {
            let _guard = runtime.enter();
            signal(kind).map_err(cannot_run)
        };
        let (interrupt, terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
        let hangup = of(SignalKind::hangup())?;
        Ok(Self { runtime, interrupt, terminate, hangup })
    }

    fn wait_for_the_end(self, server: &Server) {
        let Self { runtime, mut interrupt, mut terminate, mut hangup } = self;
        systemd::ready();
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return,
                    _ = terminate.recv() => return,
                    _ = hangup.recv() => {
                        systemd::reloading();
                        server.shared.log.as_ref().inspect(|log| log.reopen());
                        systemd::ready();
                    }
                }
            }
        });
    }
}

/// The sockets that were handed on, or else one of our own; each with its address.
fn listeners(inherited: Vec<TcpListener>, address: SocketAddr) -> Result<Vec<(TcpListener, SocketAddr)>, ServeError> {
    let failed = |error| {
        let advice = advice(&address, &error);
        Fault::usage(format!("cannot listen on {address}{advice}")).because(error)
    };
    if inherited.is_empty() {
        let listener = listen::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        return Ok(vec![(listener, bound)]);
    }
    let with_address = |socket: TcpListener| socket.local_addr().map(|bound| (socket, bound));
    inherited.into_iter().map(with_address).collect::<io::Result<_>>().map_err(ServeError::inherited)
}

/// Serves the site until SIGINT or SIGTERM; tells `ready` of the running server.
pub fn serve(site: &Site, options: impl Into<ServeOptions>, ready: impl FnOnce(&Server)) -> Result<(), ServeError> {
    // Who is told that it is ready may end it at once.
    let signals = Signals::new()?;
    let server = Server::start(site, options)?;
    ready(&server);
    server.run(signals);
    Ok(())
}
