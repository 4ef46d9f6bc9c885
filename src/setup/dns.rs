//! Name servers: the upstreams' names lead to this site, and all other names, those below them too, to where they led before.
//!
//! But for one kind of names below them: apt asks for the SRV records of `_http._tcp.HOST` and `_https._tcp.HOST` before it
//! asks for HOST (apt's `methods/connect.cc`). Behind a gap that question would wait for servers that cannot be reached, so
//! each program answers at once that there is no such name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Facts, HostName, SetupError, SetupFile, nothing};

/// A program that answers for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NameServer {
    /// dnsmasq 2.86 or newer.
    Dnsmasq,
    /// Unbound.
    Unbound,
    /// BIND 9.16 or newer.
    Bind,
    /// No program: lines for each machine's `/etc/hosts`.
    Hosts,
}

/// Names below a host that apt looks for records of the kind SRV at.
const SERVICES: [&str; 2] = ["_http._tcp", "_https._tcp"];

/// The policy zone's name in BIND.
const ZONE: &str = "gapferry.rpz";

/// The names to answer for, and with what.
struct Table<'f> {
    facts: &'f Facts,
    hosts: BTreeMap<HostName, BTreeSet<String>>,
    addresses: &'f [IpAddr],
}

/// Files for `server`, by which the upstreams' names, and `own` besides, lead to `addresses`.
pub fn files(
    facts: &Facts,
    server: NameServer,
    own: Option<HostName>,
    addresses: &[IpAddr],
) -> Result<Vec<SetupFile>, SetupError> {
    let mut hosts = facts.hosts();
    if let Some(own) = own {
        hosts.entry(own).or_default().insert("this site".to_owned());
    }
    if hosts.is_empty() {
        return Err(nothing("collection that comes from a host with a name").into());
    }
    let table = Table { facts, hosts, addresses };
    Ok(match server {
        NameServer::Dnsmasq => vec![SetupFile::new("gapferry-dnsmasq.conf", table.dnsmasq())],
        NameServer::Unbound => vec![SetupFile::new("gapferry-unbound.conf", table.unbound())],
        NameServer::Hosts => vec![SetupFile::new("gapferry-hosts", table.hosts())],
        NameServer::Bind => vec![
            SetupFile::new("gapferry.rpz", table.policy_zone()),
            SetupFile::new("gapferry-named.conf", table.named_zone()),
            SetupFile::new("gapferry-named-options.conf", table.named_options()),
        ],
    })
}

impl Table<'_> {
    /// The same for each host, with the reasons in a comment before it.
    fn lines(&self, mark: &str, head: &str, each: impl Fn(&HostName) -> String) -> String {
        let mut text = self.head(mark, head);
        for (host, why) in &self.hosts {
            let why: Vec<&str> = why.iter().map(String::as_str).collect();
            text += &format!("\n{mark} {}\n{}", why.join("; "), each(host));
        }
        text
    }

    fn head(&self, mark: &str, head: &str) -> String {
        let names = self.facts.headline("Names");
        super::quote::comment(mark, &format!("{names}\n{head}"))
    }

    /// `local` keeps a question for another kind of record from being sent on, and the line after it lets names below go
    /// where they went, but for those of services.
    fn dnsmasq(&self) -> String {
        let head = "For a file in /etc/dnsmasq.d; dnsmasq 2.86 or newer.";
        self.lines("#", head, |host| {
            let addresses: String = self.addresses.iter().map(|address| format!(",{address}")).collect();
            let services: String = SERVICES.map(|service| format!("local=/{service}.{host}/\n")).concat();
            format!("host-record={host}{addresses}\nlocal=/{host}/\nserver=/*.{host}/#\n{services}")
        })
    }

    /// A transparent zone answers for its data, says that other kinds of records of these names are absent, and passes on all
    /// other names.
    fn unbound(&self) -> String {
        let head = "For a file in /etc/unbound/unbound.conf.d.";
        let each = |host: &HostName| {
            let mut text = format!("    local-zone: \"{host}.\" transparent\n");
            for address in self.addresses {
                text += &format!("    local-data: \"{host}. 300 IN {} {address}\"\n", kind(address));
            }
            for service in SERVICES {
                text += &format!("    local-zone: \"{service}.{host}.\" always_nxdomain\n");
            }
            text
        };
        let text = self.lines("#", head, each);
        text.replacen("\n\n", "\nserver:\n\n", 1)
    }

    fn hosts(&self) -> String {
        let head = "For /etc/hosts of each machine.";
        self.lines("#", head, |host| self.addresses.iter().map(|address| format!("{address} {host}\n")).collect())
    }

    /// A response policy zone: unlike a zone per host it says nothing of names below them.
    fn policy_zone(&self) -> String {
        let head = "The response policy zone gapferry.rpz of BIND, for /var/cache/bind/gapferry.rpz.";
        let serial = self.facts.generation % (u64::from(u32::MAX) + 1);
        let mut text = self.head(";", head);
        text += &format!("$TTL 300\n@ IN SOA localhost. hostmaster.localhost. ({serial} 3600 600 86400 300)\n");
        text += "@ IN NS localhost.\n";
        for (host, why) in &self.hosts {
            text += &format!("\n; {}\n", why.iter().cloned().collect::<Vec<_>>().join("; "));
            self.addresses.iter().for_each(|address| text += &format!("{host} IN {} {address}\n", kind(address)));
            // In a policy zone, the root as the name to go to means that there is no such name.
            SERVICES.iter().for_each(|service| text += &format!("{service}.{host} IN CNAME .\n"));
        }
        text
    }

    fn named_zone(&self) -> String {
        let head = "For /etc/bind/named.conf.local, by an include there.";
        let zone = format!(
            "zone \"{ZONE}\" {{\n    type primary;\n    file \"{ZONE}\";\n    allow-query {{ localhost; }};\n    \
             allow-transfer {{ none; }};\n}};\n"
        );
        self.head("#", head) + &zone
    }

    /// Without the first option, a signed answer from elsewhere would stay; without the second, an upstream server would have
    /// to answer first.
    fn named_options(&self) -> String {
        let head = "For the block `options` of /etc/bind/named.conf.options, by an include within it.";
        let policy = format!("response-policy {{ zone \"{ZONE}\"; }} break-dnssec yes qname-wait-recurse no;\n");
        self.head("#", head) + &policy
    }
}

/// The kind of record that an address stands in.
fn kind(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "A" } else { "AAAA" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    fn text(server: NameServer) -> String {
        let addresses = ["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()];
        let own = Some("gapferry.dc1.example".parse().unwrap());
        let files = files(&facts(), server, own, &addresses).unwrap();
        files.into_iter().map(|file| file.text).collect()
    }

    #[test]
    fn each_host_is_answered_for_and_nothing_below_it() {
        for (server, words) in [
            (
                NameServer::Dnsmasq,
                "\n# apt/extra; apt/ubuntu; apt/whole\nhost-record=archive.example.com,10.0.0.5,fd00::5\n\
                 local=/archive.example.com/\nserver=/*.archive.example.com/#\n\
                 local=/_http._tcp.archive.example.com/\nlocal=/_https._tcp.archive.example.com/\n",
            ),
            (
                NameServer::Unbound,
                "    local-zone: \"archive.example.com.\" transparent\n    \
                 local-data: \"archive.example.com. 300 IN A 10.0.0.5\"\n    \
                 local-data: \"archive.example.com. 300 IN AAAA fd00::5\"\n    \
                 local-zone: \"_http._tcp.archive.example.com.\" always_nxdomain\n",
            ),
            (NameServer::Hosts, "\n10.0.0.5 archive.example.com\nfd00::5 archive.example.com\n"),
            (
                NameServer::Bind,
                "\narchive.example.com IN A 10.0.0.5\narchive.example.com IN AAAA fd00::5\n\
                 _http._tcp.archive.example.com IN CNAME .\n",
            ),
        ] {
            let text = text(server);
            assert!(text.contains(words), "{text}");
            for host in ["api.snapcraft.io", "snaps.dc1.example", "images.example.com", "gapferry.dc1.example"] {
                assert!(text.contains(host), "{host} is not in {text}");
            }
        }
        assert_eq!(text(NameServer::Unbound).matches("server:").count(), 1);
    }

    #[test]
    fn a_site_without_hosts_has_nothing_to_say() {
        let mut facts = facts();
        (facts.upstreams, facts.store, facts.kinds) = (Vec::new(), None, BTreeSet::new());
        let address = ["10.0.0.5".parse().unwrap()];
        assert!(files(&facts, NameServer::Hosts, None, &address).is_err());
    }
}
