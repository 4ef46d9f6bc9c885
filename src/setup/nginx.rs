//! nginx: serves the published trees without `gapferry serve`.

use super::web::{METHODS, TYPES, WebRoute, WebServer, changes, head, routes};
use super::{Facts, HostName, quote};
use crate::error_class::Fault;
use crate::site::OLDER_FOLDER;

/// A file for `/etc/nginx/conf.d`.
pub fn config(facts: &Facts, server: &WebServer) -> Result<String, Fault> {
    let [root, older] = ["current", OLDER_FOLDER].map(|folder| quote::server_path(&facts.root.join(folder)));
    let (root, older) = (root?, older?);
    let mut text = head(facts, "nginx") + "# For a file in /etc/nginx/conf.d.\n" + &headers();
    let own = server.own.as_ref().filter(|own| !facts.routes.has_host(own.as_str()));
    let folders = facts.folders().collect::<Vec<_>>().join("|");
    let by_path = location(&format!("/(?:{folders})/."), "$uri", "$uri ", &older, 0);
    let mut names: Vec<&str> = vec![own.map_or("_", |own| own.as_str())];
    let store_hosts = facts.store_hosts();
    names.extend(store_hosts.keys().filter(|host| !facts.routes.has_host(host.as_str())).map(HostName::as_str));
    names.dedup();
    text += &block(&root, server, &names.join(" "), &(by_path + &store(server)));
    for (host, routes) in routes(facts) {
        let locations: String =
            routes.iter().enumerate().map(|(at, route)| route_location(route, &older, at)).collect();
        let is_store = store_hosts.keys().any(|store| store.as_str() == host);
        let store = if is_store { store(server) } else { String::new() };
        text += &block(&root, server, host, &(locations + &store));
    }
    Ok(text)
}

/// The first lines of each location of files: the methods that it knows, and the headers of `gapferry serve`.
const ASKED: &str = "        if ($request_method !~ ^(?:GET|HEAD)$) {
            return 405;
        }
        add_header Allow $gapferry_allow always;
        add_header Cache-Control $gapferry_cache_control;
        add_header X-Content-Type-Options nosniff;
";

/// The values of headers; nginx leaves out a header whose value is empty. `try_files` has set `$uri` to the file's path by the
/// time that a value is wanted.
fn headers() -> String {
    let changes = changes();
    format!(
        "\nmap $uri $gapferry_cache_control {{\n    default \"\";\n    \"~^{changes}\" no-cache;\n}}\n\
         map $status $gapferry_allow {{\n    default \"\";\n    405 \"{METHODS}\";\n}}\n\
         map $gapferry_file $gapferry_changes {{\n    default \"\";\n    \"~(?:^| ){changes}\" 1;\n}}\n\
         # A part of what changes is for those alone who say which whole it is of.\n\
         map \"$http_range:$http_if_range:$gapferry_changes\" $gapferry_whole {{\n    default \"\";\n    \
         \"~^[^:]+::1$\" 1;\n}}\n"
    )
}

/// One host. What is no file is not found, folders among it.
fn block(root: &str, server: &WebServer, names: &str, locations: &str) -> String {
    let listen: String = match server.listen.as_slice() {
        [] => "    listen 80;\n    listen [::]:80;\n".to_owned(),
        some => some.iter().map(|address| format!("    listen {address};\n")).collect(),
    };
    let types: String = TYPES.iter().map(|(kind, ends)| format!("        {kind} {ends};\n")).collect();
    format!(
        "\nserver {{\n{listen}    server_name {names};\n    root \"{root}\";\n    autoindex off;\n    max_ranges 1;\n    \
         default_type application/octet-stream;\n    types {{\n{types}    }}\n{locations}    \
         location / {{\n{ASKED}        return 404;\n    }}\n}}\n"
    )
}

fn route_location(route: &WebRoute, older: &str, at: usize) -> String {
    let WebRoute { prefix, folders } = route;
    let files: String = folders.iter().map(|folder| format!("/{folder}/$rest ")).collect();
    location(&format!("{prefix}/(?<rest>.+)$"), files.trim_end(), &files, older, at)
}

/// The locations that look for the file of a request below the root, and then below the folder `older`. `asked` names the files. nginx can
/// only switch ranges off for a whole location, so what must be answered as a whole goes to a second one, by way of a status that no client sees.
fn location(pattern: &str, asked: &str, files: &str, older: &str, at: usize) -> String {
    format!(
        "    location ~ ^{pattern} {{\n        set $gapferry_file \"{asked}\";\n        error_page 418 = @whole{at};\n        \
         if ($gapferry_whole) {{\n            return 418;\n        }}\n{ASKED}        try_files {files}@older{at};\n    }}\n    \
         location @whole{at} {{\n        max_ranges 0;\n{ASKED}        try_files {files}@older{at};\n    }}\n    \
         location @older{at} {{\n        root \"{older}\";\n{ASKED}        try_files {files}=404;\n    }}\n"
    )
}

/// The host that a device asked for is in the addresses that the store answers with.
fn store(server: &WebServer) -> String {
    let Some(backend) = &server.store_backend else { return String::new() };
    let to = format!("        proxy_pass {backend};\n        proxy_set_header Host $http_host;\n");
    ["/v2/", "/api/"].map(|path| format!("    location ^~ {path} {{\n{to}    }}\n")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    #[test]
    fn by_path_and_by_host() {
        let server = WebServer {
            own: Some("gapferry.dc1.example".parse().unwrap()),
            store_backend: Some("http://127.0.0.1:8080".parse().unwrap()),
            ..WebServer::default()
        };
        let text = config(&facts(), &server).unwrap();
        for words in [
            "    listen [::]:80;\n    server_name gapferry.dc1.example api.snapcraft.io snaps.dc1.example;\n    \
             root \"/srv/gapferry/current\";\n",
            "location ~ ^/(?:apt|images|keys|snaps)/. {\n        set $gapferry_file \"$uri\";\n",
            "    server_name archive.example.com;\n",
            "location ~ ^/ubuntu/(?<rest>.+)$ {\n        \
             set $gapferry_file \"/apt/extra/$rest /apt/ubuntu/$rest /apt/whole/ubuntu/$rest\";\n",
            "        \
             try_files /apt/extra/$rest /apt/ubuntu/$rest /apt/whole/ubuntu/$rest @older0;\n",
            "    location @older0 {\n        root \"/srv/gapferry/older\";\n",
            "location ~ ^/v3/stable\\.d/(?<rest>.+)$ {",
            "location ^~ /v2/ {\n        proxy_pass http://127.0.0.1:8080;\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
        assert_eq!(text.matches("proxy_pass").count(), 2);
        let without = config(&facts(), &WebServer::default()).unwrap();
        assert!(without.contains("must go to a gapferry") && !without.contains("proxy_pass"));
        let bad = Facts { root: "/srv/a\";b".into(), ..facts() };
        assert!(config(&bad, &server).is_err());
    }
}
