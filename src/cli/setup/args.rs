//! What `gapferry setup` can be asked for.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::maas::Wishes;
use crate::cli::workspace::CarryArgs;
use crate::label::Label;
use crate::setup::{Certificates, HostName, ServeUrl, WebServer, apt, dns, pro, user_data};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    Dns(Dns),
    Nginx(Web),
    Apache(WebOfApache),
    Apt(Apt),
    Snapd(Snapd),
    CloudInit(CloudInit),
    UserData(UserData),
    Pro(Pro),
    Feeds(Feeds),
    Maas(Maas),
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    pub(super) site: PathBuf,
    /// Write into this file, or into this folder: where it is one, ends with `/`, or several files are written
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) carried: CarryArgs,
}

/// Let the upstreams' names lead to this site
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup dns --site /srv/gapferry --for dnsmasq --address 10.0.0.5,fd00::5 \\\n    \
    --out /etc/dnsmasq.d/gapferry.conf"
)]
pub(super) struct Dns {
    #[command(flatten)]
    pub(super) common: Common,
    /// The program that answers for names
    #[arg(long = "for", value_name = "PROGRAM")]
    pub(super) server: dns::NameServer,
    /// This site's addresses
    #[arg(long, value_name = "ADDR", required = true, value_delimiter = ',')]
    pub(super) address: Vec<IpAddr>,
    /// Where clients reach this site: its name is answered for, too
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: Option<ServeUrl>,
}

/// Serve the same files with nginx
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup nginx --site /srv/gapferry --serve-url http://gapferry.dc1.example \\\n    \
    --store-backend http://127.0.0.1:8080 --out /etc/nginx/conf.d/gapferry.conf"
)]
pub(super) struct Web {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) server: WebOptions,
}

/// Serve the same files with Apache
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup apache --site /srv/gapferry --serve-url http://gapferry.dc1.example \\\n    \
    --out /etc/apache2/sites-available/gapferry.conf"
)]
pub(super) struct WebOfApache {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) server: WebOptions,
}

#[derive(Debug, clap::Args)]
pub(super) struct WebOptions {
    /// Where clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: Option<ServeUrl>,
    /// Address and port to listen on; can be given several times [default: port 80 of all]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Vec<SocketAddr>,
    /// The address of a gapferry that serves the snap store
    #[arg(long, value_name = "URL")]
    pub(super) store_backend: Option<ServeUrl>,
}

#[derive(Debug, clap::Args)]
pub(super) struct PackagesArgs {
    /// A published archive, by name; can be given several times [default: all]
    #[arg(long = "archive", value_name = "NAME")]
    pub(super) archives: Vec<Label>,
    /// A suite of it; can be given several times [default: all]
    #[arg(long = "suite", value_name = "SUITE")]
    pub(super) suites: Vec<String>,
}

/// Write apt's sources for the published archives, with the keys that sign them
///
/// Without --out, one file that has the keys in it, for apt 2.4 or newer; into a folder, one .sources and one .asc for each
/// archive.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry setup apt --site /srv/gapferry --serve-url http://gapferry.dc1.example --suite noble\n  \
    gapferry setup apt --site /srv/gapferry --serve-url http://gapferry.dc1.example --out sources/"
)]
pub(super) struct Apt {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: ServeUrl,
    #[command(flatten)]
    pub(super) packages: PackagesArgs,
    /// The clients' folder of keys
    #[arg(long, value_name = "DIR", default_value = "/etc/apt/keyrings", value_parser = plain_folder)]
    pub(super) keyrings: String,
}

/// Write the commands by which snapd finds this site's store
///
/// By the store assertion that the site keeps, or else by a drop-in for systemd that names --serve-url.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry setup snapd --site /srv/gapferry --ca-cert ca.pem --out setup-snapd.sh")]
pub(super) struct Snapd {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: Option<ServeUrl>,
    /// Certificates of the authority that vouches for the store's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
}

/// Write user data for deployed machines: packages, snaps, time, certificates
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup cloud-init --site /srv/gapferry --serve-url http://gapferry.dc1.example \\\n    \
    --suite noble --suite noble-updates --replace-sources --ntp-server ntp.dc1.example --out user-data.yaml"
)]
pub(super) struct CloudInit {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: Option<ServeUrl>,
    #[command(flatten)]
    pub(super) packages: PackagesArgs,
    /// Switch the machine's own sources off
    #[arg(long)]
    pub(super) replace_sources: bool,
    /// A time server; can be given several times
    #[arg(long = "ntp-server", value_name = "HOST", value_parser = host_or_address)]
    pub(super) ntp_servers: Vec<String>,
    /// Certificates of an authority that machines are to trust (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
}

/// Write user data for machines of the Red Hat family: their packages from this site's RPM repositories, time, certificates
///
/// The image's own repositories are moved away. What it writes says how MAAS takes it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup user-data --site /srv/gapferry --serve-url http://gapferry.dc1.example \\\n    \
    --os rocky --release 9 --ntp-server ntp.dc1.example --out rocky9.yaml"
)]
pub(super) struct UserData {
    #[command(flatten)]
    pub(super) common: Common,
    /// The machines' operating system
    #[arg(long, value_name = "OS")]
    pub(super) os: user_data::Os,
    /// Its release, such as 9
    #[arg(long, value_name = "N")]
    pub(super) release: user_data::SystemRelease,
    /// Where clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: ServeUrl,
    /// Published RPM repositories, by name [default: all whose names say no other system or release]
    #[arg(long = "repos", value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub(super) repositories: Vec<Label>,
    /// A time server; can be given several times
    #[arg(long = "ntp-server", value_name = "HOST", value_parser = host_or_address)]
    pub(super) ntp_servers: Vec<String>,
    /// Certificates of an authority that machines are to trust (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
}

/// Write what Ubuntu Pro needs behind the gap: the contract server's override, and the clients' uaclient.conf
///
/// For archives of esm.ubuntu.com that are published as upstream signed them. docs/ubuntu-pro.md has the whole way. No secret is
/// read or written.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry setup pro --site /srv/gapferry --contract-url http://contracts.dc1.example:8484 --out pro/\n  \
    gapferry setup pro --site /srv/gapferry --contract-url https://contracts.dc1.example --transport https --json"
)]
pub(super) struct Pro {
    #[command(flatten)]
    pub(super) common: Common,
    /// The contract server behind the gap, contracts-airgapped
    #[arg(long, value_name = "URL")]
    pub(super) contract_url: ServeUrl,
    /// The transport by which clients reach esm.ubuntu.com at this site; https needs a certificate that they trust
    #[arg(long, value_name = "HOW", default_value = "http")]
    pub(super) transport: pro::Transport,
}

/// Write the commands by which scanners of clients take their security data from here
///
/// For debsecan, and for oscap with definitions in OVAL. The script names the date of all data.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup feeds --site /srv/gapferry --serve-url http://gapferry.dc1.example --out setup-feeds.sh"
)]
pub(super) struct Feeds {
    #[command(flatten)]
    pub(super) common: Common,
    /// The address at which clients reach this site
    #[arg(long, value_name = "URL")]
    pub(super) serve_url: ServeUrl,
}

/// Write the commands that set a MAAS up, for MAAS's own command line
///
/// `maas apply` does the same through MAAS's API, changes only what differs, and can be run again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry setup maas --site /srv/gapferry --serve-url http://gapferry.dc1.example --out setup-maas.sh"
)]
pub(super) struct Maas {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) choice: Wishes,
}

impl WebOptions {
    pub(super) fn chosen(&self) -> WebServer {
        WebServer {
            listen: self.listen.clone(),
            own: self.serve_url.as_ref().and_then(ServeUrl::host),
            store_backend: self.store_backend.clone(),
        }
    }
}

impl UserData {
    pub(super) fn chosen(&self, authority: Option<Certificates>) -> user_data::UserDataChoice {
        user_data::UserDataChoice {
            os: self.os,
            release: self.release.clone(),
            repositories: self.repositories.clone(),
            serve_url: self.serve_url.clone(),
            ntp_servers: self.ntp_servers.clone(),
            authority,
        }
    }
}

impl Pro {
    pub(super) fn chosen(&self) -> pro::ProChoice {
        pro::ProChoice { contract_url: self.contract_url.clone(), transport: self.transport }
    }
}

impl PackagesArgs {
    pub(super) fn chosen(&self) -> apt::AptClientChoice {
        apt::AptClientChoice { archives: self.archives.clone(), suites: self.suites.clone() }
    }
}

/// A folder that a line of sources can name.
fn plain_folder(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+/".contains(c);
    match text.starts_with('/') && text.chars().all(plain) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("it must be an absolute path of letters, digits and ._-+".to_owned()),
    }
}

fn host_or_address(text: &str) -> Result<String, String> {
    let address = text.parse::<IpAddr>().map(|address| address.to_string());
    address.or_else(|_| text.parse::<HostName>().map(|host| host.to_string())).map_err(|error| error.to_string())
}
