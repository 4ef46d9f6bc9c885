//! `gapferry serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use crate::serve::serve;
use crate::site::Site;

/// Serve the current generation over HTTP, by path and by the upstreams' host names
///
/// `/apt/NAME/…` answers for each published archive; a request that names an upstream's host and path is answered from what
/// is published of it. A new generation is served from the moment of its publication. Ends on SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry serve --site /srv/gapferry --listen 0.0.0.0:80")]
pub(super) struct Args {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

pub(super) fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let site = Site::open(&args.site)?;
    let mut listened = args.listen;
    serve(&site, args.listen, |address| {
        listened = address;
        note(&format!("listening on http://{address}/"));
    })?;
    out.done(json!({ "address": listened }), "");
    Ok(())
}
