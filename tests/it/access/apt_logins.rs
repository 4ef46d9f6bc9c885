//! Logins that apt reads from auth.conf and auth.conf.d: gapferry sends what apt sends, for each way to write them.

use std::fs;
use std::os::unix::fs::symlink;

use gapferry::cli::Exit;

use super::{Archive, client, export_as, reaches_clients, select_list_of};
use crate::apt_client::output;
use crate::support::desk::clean;
use crate::support::server::basic;

#[test]
fn an_archive_behind_a_login_travels_with_apts_own_auth_conf() {
    let archive = Archive::new();
    archive.server.wants_login("me", "p@ss:word#1");
    let apt = client(&archive.url(""));
    assert!(!output(apt.command("apt-get").arg("update")).status.success(), "the control: no login, no packages");
    let login = format!("machine http://{}/private/ login me password p@ss:word#1\n", archive.host());
    fs::write(apt.path("etc/apt/auth.conf.d/private.conf"), login).unwrap();
    apt.updates_without_complaint("");
    apt.apt_get("install -y --download-only hello");

    select_list_of(&archive.desk, &apt);
    let exported = export_as(&archive.desk, &apt, "--json").ok();
    assert_eq!(archive.logins().last(), Some(&basic("me", "p@ss:word#1")));
    reaches_clients(&archive.desk, &exported, "host-private");
}

#[test]
fn a_url_has_the_login_of_the_hosts_apt_too() {
    let archive = Archive::new();
    archive.server.wants_login("me", "pw");
    let apt = client(&archive.url(""));
    fs::write(apt.path("etc/apt/auth.conf"), format!("machine http://{} login me password pw", archive.host()))
        .unwrap();
    archive.desk.select(&archive.desk.table("private", &archive.url(""), "stable main amd64", ""));
    let exported = export_as(&archive.desk, &apt, "--json").ok();
    reaches_clients(&archive.desk, &exported, "private");
}

/// The logins beside a source list count, as its preferences do: a list of another system, or of a root of its own.
#[test]
fn logins_lie_beside_the_source_lists_too() {
    let archive = Archive::new();
    archive.server.wants_login("me", "pw");
    let apt = client(&archive.url(""));
    select_list_of(&archive.desk, &apt);
    archive.desk.export("--dry-run").says(Exit::Usage, &["status 401"]);
    let login = format!("machine http://{} login me password pw", archive.host());
    for name in ["auth.conf", "auth.conf.d/private.conf"] {
        let file = apt.path("etc/apt").join(name);
        fs::write(&file, &login).unwrap();
        archive.desk.export("--dry-run").ok();
        fs::remove_file(&file).unwrap();
    }
    archive.desk.export("--dry-run").says(Exit::Usage, &["status 401"]);
}

/// Files of logins by their names below `etc/apt`, with HOST and PORT of the server in place of these words.
type Files = &'static [(&'static str, &'static str)];

const VARIANTS: &[Files] = &[
    &[("auth.conf", "machine http://HOST:PORT login me password pw")],
    &[("auth.conf", "machine http://HOST:PORT\nlogin me\npassword pw\n")],
    &[("auth.conf", "machine\thttp://HOST:PORT\n\n  login\n me\t\tpassword   pw\n\n")],
    &[("auth.conf", "machine http://HOST:PORT\r\nlogin me\r\npassword pw\r\n")],
    // Several machines.
    &[("auth.conf", "machine http://a.invalid login a password a\nmachine http://HOST:PORT login me password pw\n")],
    &[(
        "auth.conf",
        "machine http://HOST:PORT login me password pw\nmachine http://HOST:PORT login second password x\n",
    )],
    &[("auth.conf", "machine http://HOST:PORT machine http://HOST:PORT login second password x\n")],
    &[("auth.conf", "machine http://HOST:1 login no password no machine http://HOST:PORT login me password pw")],
    // Paths.
    &[("auth.conf", "machine http://HOST:PORT/priv login me password pw")],
    &[("auth.conf", "machine http://HOST:PORT/private/ login me password pw")],
    &[("auth.conf", "machine http://HOST:PORT/private/dists/ login lists password l")],
    &[("auth.conf", "machine http://HOST:PORT/Private login me password pw")],
    &[(
        "auth.conf",
        "machine http://HOST:PORT/public login other password o machine http://HOST:PORT/private login me",
    )],
    // Ports and schemes.
    &[("auth.conf", "machine http://HOST login me password pw")],
    &[("auth.conf", "machine http://HOST/private login me password pw")],
    &[("auth.conf", "machine http://HOST:80 login me password pw")],
    &[("auth.conf", "machine HOST:PORT login me password pw")],
    &[("auth.conf", "machine https://HOST:PORT login me password pw")],
    // Comments, quotes, other words.
    &[("auth.conf", "# a comment\nmachine http://HOST:PORT login me password pw # ubuntu-pro-client\n")],
    &[(
        "auth.conf",
        "# machine http://HOST:PORT login old password gone\nmachine http://HOST:PORT login me password pw\n",
    )],
    &[(
        "auth.conf",
        "#machine http://HOST:PORT login old password gone\nmachine http://HOST:PORT login me password pw\n",
    )],
    &[("auth.conf", "machine http://HOST:PORT login \"me\" password \"p w\"\n")],
    &[("auth.conf", "machine http://HOST:PORT login 'me' password p%20w\\n\n")],
    &[(
        "auth.conf",
        "default login d password d machine http://HOST:PORT account x login me port 1 password pw macdef y",
    )],
    // Half a login, and none.
    &[("auth.conf", "machine http://HOST:PORT login me")],
    &[("auth.conf", "machine http://HOST:PORT password pw")],
    &[("auth.conf", "machine http://HOST:PORT login me password")],
    &[("auth.conf", "machine http://HOST:PORT login me login you password pw password px")],
    &[("auth.conf", "machine http://other.invalid login machine http://HOST:PORT login me password pw")],
    &[("auth.conf", "")],
    &[("auth.conf", "machine")],
    // Order, and names of files that are read.
    &[
        ("auth.conf", "machine http://HOST:PORT login me password pw"),
        ("auth.conf.d/a.conf", "machine http://HOST login b"),
    ],
    &[
        ("auth.conf.d/b.conf", "machine http://HOST login b"),
        ("auth.conf.d/a.conf", "machine http://HOST:PORT login a"),
    ],
    &[
        ("auth.conf.d/10.conf", "machine http://HOST login ten"),
        ("auth.conf.d/9.conf", "machine http://HOST login nine"),
    ],
    &[
        ("auth.conf", "machine http://x.invalid login x"),
        ("auth.conf.d/a.conf", "machine http://HOST login a password p"),
    ],
    &[(
        "auth.conf.d/90ubuntu-advantage",
        "machine http://HOST:PORT/private/ login bearer password tok  # ubuntu-pro-client",
    )],
    &[
        ("auth.conf.d/a.conf.bak", "machine http://HOST login a"),
        ("auth.conf.d/.b.conf", "machine http://HOST login b"),
    ],
    &[("auth.conf.d/a.netrc", "machine http://HOST login a"), ("auth.conf.d/b~.conf", "machine http://HOST login b")],
];

/// The login that apt sends, and the one that gapferry sends; empty if one sends none.
#[test]
fn every_form_of_a_login_is_read_as_apt_reads_it() {
    let archive = Archive::new();
    let mut with_login = 0;
    for files in VARIANTS {
        let apt = client(&archive.url(""));
        for (name, text) in *files {
            let (host, port) = archive.host().split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            fs::write(apt.path("etc/apt").join(name), text.replace("HOST", &host).replace("PORT", &port)).unwrap();
        }
        let mut update = apt.command("apt-get");
        clean(&mut update);
        assert!(output(update.arg("update")).status.success());
        let of_apt = archive.logins().pop().unwrap();
        select_list_of(&archive.desk, &apt);
        let before = archive.logins().len();
        export_as(&archive.desk, &apt, "--dry-run").ok();
        let logins = archive.logins();
        assert!(logins.len() > before);
        assert_eq!(logins.last(), Some(&of_apt), "{files:?}");
        with_login += usize::from(!of_apt.is_empty());
    }
    assert!(with_login > 20 && with_login < VARIANTS.len() - 8, "{with_login} of {}", VARIANTS.len());
}

#[test]
fn a_login_in_the_url_goes_before_all_others_as_for_apt() {
    let archive = Archive::new();
    for userinfo in ["me:pw@", "me@", "m%40e:p%3Aw%2F@"] {
        let apt = client(&archive.url(userinfo));
        fs::write(apt.path("etc/apt/auth.conf"), format!("machine http://{} login no password no", archive.host()))
            .unwrap();
        apt.updates_without_complaint("");
        let of_apt = archive.logins().pop().unwrap();
        select_list_of(&archive.desk, &apt);
        export_as(&archive.desk, &apt, "--dry-run").ok();
        assert_eq!(archive.logins().pop().unwrap(), of_apt, "{userinfo}");
        assert!(of_apt.starts_with("Basic "));
    }
}

#[test]
fn a_refusal_names_the_files_and_the_next_step() {
    let archive = Archive::new();
    archive.server.wants_login("me", "right");
    let apt = client(&archive.url(""));
    select_list_of(&archive.desk, &apt);
    let address = archive.url("");
    let export = || export_as(&archive.desk, &apt, "");
    let line = format!("`machine http://{} login NAME password PASSWORD`", archive.host());
    export().says(Exit::Usage, &[&address, "status 401", "no login is known for it", &line]);

    let file = apt.path("etc/apt/auth.conf");
    let shown = file.display().to_string();
    fs::write(&file, "machine http://elsewhere.invalid login a password b").unwrap();
    export().says(Exit::Usage, &["status 401", &format!("no login for it is in {shown}"), &line]);
    fs::write(&file, format!("machine {} login me password right", archive.host())).unwrap();
    let annotate = format!("for https alone: write http://{} there", archive.host());
    export().says(Exit::Usage, &["status 401", &shown, &annotate]);
    fs::write(&file, format!("machine http://{} login me password wrong", archive.host())).unwrap();
    let ended = export().says(Exit::Usage, &[&address, "does not accept the login", &format!("in {shown}"), "correct"]);
    assert!(!ended.err.contains("wrong"), "{}", ended.err);
    fs::remove_file(&file).unwrap();

    // A file that cannot be read is skipped, as apt skips it, and named where a login is missing.
    let dangling = apt.path("etc/apt/auth.conf.d/gone.conf");
    fs::create_dir_all(apt.path("etc/apt/auth.conf.d")).unwrap();
    symlink("/nonexistent", &dangling).unwrap();
    fs::create_dir(&file).unwrap();
    export().says(Exit::Usage, &["status 401"]);
    let good = format!("machine http://{} login me password right", archive.host());
    fs::write(apt.path("etc/apt/auth.conf.d/good.conf"), good).unwrap();
    apt.apt_get("update");
    export().ok();
}

#[test]
fn a_file_of_logins_that_the_user_may_not_read_is_named() {
    let archive = Archive::new();
    archive.server.wants_login("me", "right");
    let apt = client(&archive.url(""));
    select_list_of(&archive.desk, &apt);
    let file = apt.path("etc/apt/auth.conf.d/90ubuntu-advantage");
    super::write_private(&file, &format!("machine http://{} login me password right", archive.host()));
    // As a user who may not: root would need no permission.
    let everything = "chmod -R a+rwX";
    for folder in [archive.desk.path(""), apt.path("")] {
        let text = format!("{everything} {0} && chmod 600 {1}", folder.display(), file.display());
        crate::apt_client::run(std::process::Command::new("sh").args(["-c", &text]));
    }
    let arguments = "export online/selection.toml --out medium --workspace medium/workspace --dry-run";
    let mut command = archive.desk.command(arguments);
    command.env("APT_CONFIG", apt.path("apt.conf"));
    let mut setpriv = std::process::Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let mut as_nobody = crate::support::desk::inside(setpriv, &command);
    let words =
        ["status 401", &*file.display().to_string(), "cannot be read (Permission denied", "run as a user who can"];
    crate::support::desk::end(&mut as_nobody).says(Exit::Usage, &words);
}
