//! Apache: serves the published trees without `gapferry serve`.

use super::web::{METHODS, TYPES, WebRoute, WebServer, changes, head, routes};
use super::{Facts, HostName, ServeUrl, quote};
use crate::error_class::Fault;
use crate::site::OLDER_FOLDER;

/// A file for `/etc/apache2/sites-available`.
pub fn config(facts: &Facts, server: &WebServer) -> Result<String, Fault> {
    let [root, older] = ["current", OLDER_FOLDER].map(|folder| quote::server_path(&facts.root.join(folder)));
    let roots = [root?, older?];
    let modules = if server.store_backend.is_some() { "rewrite headers proxy_http" } else { "rewrite headers" };
    let mut text = head(facts, "Apache");
    text += &format!("# For a file in /etc/apache2/sites-available, then: a2enmod {modules}; a2ensite gapferry\n\n");
    server.listen.iter().for_each(|address| text += &format!("Listen {address}\n"));
    text += &folders(facts, &roots)?;
    let own = server.own.as_ref().filter(|own| !facts.routes.has_host(own.as_str()));
    let store_hosts = facts.store_hosts();
    let mut names: Vec<&str> = own.iter().map(|own| own.as_str()).collect();
    names.extend(store_hosts.keys().filter(|host| !facts.routes.has_host(host.as_str())).map(HostName::as_str));
    names.dedup();
    let tops = facts.folders().collect::<Vec<_>>().join("|");
    let by_path = roots.each_ref().map(|root| rule(root, "", &format!("^/((?:{tops})/.+)$"))).concat();
    text += &host(server, &names, &by_path, server.store_backend.as_ref());
    for (name, routes) in routes(facts) {
        let rules: String = routes.iter().map(|route| rules(&roots, route)).collect();
        let is_store = store_hosts.keys().any(|store| store.as_str() == name);
        text += &host(server, &[name], &rules, server.store_backend.as_ref().filter(|_| is_store));
    }
    Ok(text)
}

/// Only what is for clients is readable. `current` is a symbolic link.
fn folders(facts: &Facts, roots: &[String]) -> Result<String, Fault> {
    let site = quote::server_path(&facts.root)?;
    let mut text = format!(
        "<Directory \"{site}\">\n    Options FollowSymLinks\n    AllowOverride None\n    Require all denied\n</Directory>\n"
    );
    let types: String = TYPES.iter().map(|(kind, ends)| format!("    AddType {kind}{}\n", dotted(ends))).collect();
    let ends: String = ["gz", "xz", "zst", "bz2"].map(|end| format!(" .{end}")).concat();
    for root in roots {
        let headers = headers(root);
        for folder in facts.folders() {
            text += &format!(
                "<Directory \"{root}/{folder}\">\n    Options FollowSymLinks\n    Require all granted\n    \
                 RemoveEncoding{ends}\n{types}{headers}</Directory>\n"
            );
        }
    }
    Ok(text)
}

/// The headers of `gapferry serve`. A part of what changes is for those alone who say which whole it is of.
fn headers(root: &str) -> String {
    let changes = format!("%{{REQUEST_FILENAME}} =~ m#^{}{}#", quote::regex(root), changes());
    format!(
        "    MaxRanges 1\n    Header set X-Content-Type-Options nosniff\n    Header set Cache-Control no-cache \"expr={changes}\"\n    \
         RequestHeader unset Range \"expr=-z %{{HTTP:If-Range}} && {changes}\"\n"
    )
}

fn dotted(ends: &str) -> String {
    ends.split(' ').map(|end| format!(" .{end}")).collect()
}

/// One host. `%2F` is a slash, as in nginx and `gapferry serve`. Folders are answered with 404. Apache runs
/// no file, whatever its name ends with.
fn host(server: &WebServer, names: &[&str], rules: &str, store: Option<&ServeUrl>) -> String {
    let listen = match server.listen.as_slice() {
        [] => "*:80".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    let mut text = format!("\n<VirtualHost {listen}>\n    AllowEncodedSlashes On\n");
    for (at, name) in names.iter().enumerate() {
        text += &format!("    {} {name}\n", if at == 0 { "ServerName" } else { "ServerAlias" });
    }
    if let Some(backend) = store {
        text += "    ProxyPreserveHost On\n";
        for path in ["/v2/", "/api/"] {
            text += &format!("    ProxyPass \"{path}\" \"{backend}{path}\"\n");
        }
        text += "    RewriteEngine On\n    RewriteRule \"^/(?:v2|api)/\" \"-\" [END]\n";
    } else {
        text += "    RewriteEngine On\n";
    }
    text += "    RewriteCond \"%{REQUEST_METHOD}\" \"!^(?:GET|HEAD)$\"\n    RewriteRule \"^\" \"-\" [R=405,END]\n";
    // Apache would stop at the root, where nginx and `gapferry serve` refuse what leaves it.
    text += "    RewriteCond \"%{THE_REQUEST}\" \"(?i)(?:\\.|%2e){2}%2f|%2f(?:\\.|%2e){2}\"\n    RewriteRule \"^\" \"-\" [R=404,END]\n";
    text += rules;
    text += "    RewriteRule \"^\" \"-\" [R=404,END]\n    <LocationMatch \"^/(?!v2/|api/)\">\n        \
            SetHandler default-handler\n";
    text += &format!("        Header always set Allow \"{METHODS}\" \"expr=%{{REQUEST_STATUS}} == 405\"\n");
    text + "    </LocationMatch>\n</VirtualHost>\n"
}

fn rules(roots: &[String], route: &WebRoute) -> String {
    let pattern = format!("^{}/(.+)$", route.prefix);
    let below =
        |root: &String| route.folders.iter().map(|folder| rule(root, &format!("{folder}/"), &pattern)).collect();
    roots.iter().map(below).collect::<Vec<String>>().concat()
}

/// What the pattern's group matches, below the folder, if that is a file.
fn rule(root: &str, folder: &str, pattern: &str) -> String {
    let file = format!("{root}/{folder}$1");
    format!("    RewriteCond \"{file}\" -f\n    RewriteRule \"{pattern}\" \"{file}\" [END]\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    #[test]
    fn by_path_and_by_host() {
        let server = WebServer {
            listen: vec!["127.0.0.1:8081".parse().unwrap(), "[::1]:8081".parse().unwrap()],
            own: Some("gapferry.dc1.example".parse().unwrap()),
            store_backend: Some("http://127.0.0.1:8080".parse().unwrap()),
        };
        let text = config(&facts(), &server).unwrap();
        for words in [
            "Listen 127.0.0.1:8081\nListen [::1]:8081\n<Directory \"/srv/gapferry\">\n",
            "<VirtualHost 127.0.0.1:8081 [::1]:8081>\n    AllowEncodedSlashes On\n    ServerName gapferry.dc1.example\n    ServerAlias api.snapcraft.io\n",
            "    ProxyPass \"/v2/\" \"http://127.0.0.1:8080/v2/\"\n",
            "    RewriteCond \"/srv/gapferry/current/$1\" -f\n    \
             RewriteRule \"^/((?:apt|images|keys|snaps)/.+)$\" \"/srv/gapferry/current/$1\" [END]\n",
            "    RewriteCond \"/srv/gapferry/current/apt/whole/ubuntu/$1\" -f\n    \
             RewriteRule \"^/ubuntu/(.+)$\" \"/srv/gapferry/current/apt/whole/ubuntu/$1\" [END]\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
        assert_eq!(text.matches("ProxyPass \"").count(), 2);
        let without = config(&facts(), &WebServer::default()).unwrap();
        assert!(
            without.contains("<VirtualHost *:80>") && !without.contains("ProxyPass") && !without.contains("Listen")
        );
        let bad = Facts { root: "/srv/${HOME}".into(), ..facts() };
        assert!(config(&bad, &server).is_err());
    }
}
