//! `gapferry serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::serve::{Inherited, Limits, Listen, LogTarget, ServeError, ServeOptions, Tls, serve};

/// Serve the current generation over HTTP, by path, by the upstreams' host names, and as a snap store
///
/// `/apt/NAME/…` answers for each published archive; a request that names an upstream's host and path is answered from what
/// is published of it. Where snaps are published, snapd finds a store under any host name. A new generation is served from
/// the moment of its publication. `/healthz` and `/metrics` tell how it does. Takes sockets from systemd instead of listening
/// where it is started with some. Ends on SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry serve --site /srv/gapferry --listen 0.0.0.0:80\n  \
    gapferry serve --site /srv/gapferry --listen 0.0.0.0:80 \\\n    \
    --tls-listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem\n  \
    gapferry serve --site /srv/gapferry --access-log /var/log/gapferry/access.jsonl")]
pub(super) struct ServeArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address and port for TLS besides
    #[arg(long, value_name = "ADDR", requires_all = ["tls_cert", "tls_key"])]
    tls_listen: Option<SocketAddr>,
    /// The server's certificate and those that vouch for it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_key: Option<PathBuf>,
    /// How many connections may be open at once
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    max_connections: usize,
    /// Append a line of JSON for each answer to this file, or with - print it; opened again at SIGHUP
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

pub(super) fn run(args: &ServeArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    site.check_readable()?;
    let tls = match (args.tls_listen, &args.tls_cert, &args.tls_key) {
        (Some(address), Some(certificate), Some(key)) => {
            Some(Tls { address, certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    let access_log = args.access_log.as_ref().map(|path| match path.as_os_str() == "-" {
        true => LogTarget::Stdout,
        false => LogTarget::File(path.clone()),
    });
    let (mut listened, mut tls_listened) = (args.listen, args.tls_listen);
    let inherited = Inherited::take().map_err(ServeError::inherited)?;
    let limits = Limits { connections: args.max_connections, ..Limits::default() };
    let options = ServeOptions { listen: Listen { http: args.listen, tls }, inherited, limits, access_log };
    serve(&site, options, |server| {
        (listened, tls_listened) = (server.address, server.tls_address);
        note(&format!("listening on http://{listened}/"));
        if let Some(address) = tls_listened {
            note(&format!("listening on https://{address}/"));
        }
        if server.max_connections < args.max_connections {
            note(&format!("the limit of open files allows {} connections at once", server.max_connections));
        }
    })?;
    out.done(json!({ "address": listened, "tls_address": tls_listened }), "");
    Ok(())
}
