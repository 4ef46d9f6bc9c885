//! apt's files of logins, `auth.conf` and those in `auth.conf.d` (apt_auth.conf(5)), as apt 2.6 reads them.
//!
//! The format is netrc's, by tokens: lines do not count, quotes are characters like others, and there are no comments. A
//! `machine` after a `#` counts too. apt reads the file anew for each URL, and whether a token is a value depends on whether
//! the machine before it matches; so the look-up here is apt's procedure, over tokens that were split once.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// The tokens of a file of logins.
#[derive(Clone, Default)]
pub struct AuthConf {
    tokens: Vec<Zeroizing<Vec<u8>>>,
}

/// Shows no token, since any of them may be a secret.
impl std::fmt::Debug for AuthConf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConf").field("tokens", &self.tokens.len()).finish()
    }
}

/// The parts of a URL that decide which login is its.
#[derive(Clone, Copy, Debug)]
pub struct LoginTarget<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host, without the brackets of an IPv6 address.
    pub host: &'a str,
    /// The port, if the URL names one.
    pub port: Option<u16>,
    /// The path, with the slash at its beginning.
    pub path: &'a str,
}

/// A login for a URL. What the file does not name is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub user: Secret,
    /// The password.
    pub password: Secret,
}

/// The answer of a file of logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginLookup {
    /// The login of the first machine that matches and has one.
    Found(Login),
    /// Only a machine without a scheme matches, and the URL is not https.
    Unencrypted,
    /// No machine matches.
    Nothing,
}

/// The meaning of the next token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Before a machine, or after one that does not match.
    Keyword,
    /// The name of a machine.
    Machine,
    /// After a machine that matches.
    KeywordOfMatch,
    User,
    Password,
}

impl AuthConf {
    /// Splits a file into its tokens.
    pub fn parse(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let tokens = lines.flat_map(|line| line.split(|byte| matches!(byte, b' ' | b'\t')));
        Self { tokens: tokens.filter(|token| !token.is_empty()).map(|token| Zeroizing::new(token.to_vec())).collect() }
    }

    /// Looks up the login for a URL.
    pub fn login(&self, target: LoginTarget<'_>) -> LoginLookup {
        let (mut user, mut password): (&[u8], &[u8]) = (b"", b"");
        let (mut next, mut is_unencrypted) = (Next::Keyword, false);
        for token in &self.tokens {
            next = match next {
                Next::Keyword if token.as_slice() == b"machine" => Next::Machine,
                Next::Keyword => Next::Keyword,
                Next::Machine => match target.match_with(token) {
                    MachineMatch::Full => Next::KeywordOfMatch,
                    MachineMatch::Unencrypted => {
                        is_unencrypted = true;
                        Next::Keyword
                    }
                    MachineMatch::Other => Next::Keyword,
                },
                Next::KeywordOfMatch => match token.as_slice() {
                    b"login" => Next::User,
                    b"password" => Next::Password,
                    b"machine" => break,
                    _ => Next::KeywordOfMatch,
                },
                Next::User => {
                    user = token;
                    Next::KeywordOfMatch
                }
                Next::Password => {
                    password = token;
                    Next::KeywordOfMatch
                }
            };
        }
        match (user.is_empty() && password.is_empty(), is_unencrypted) {
            (false, _) => LoginLookup::Found(Login { user: Secret::new(user), password: Secret::new(password) }),
            (true, true) => LoginLookup::Unencrypted,
            (true, false) => LoginLookup::Nothing,
        }
    }
}

/// The answer to whether a `machine` is that of a URL.
enum MachineMatch {
    Full,
    /// It would be, but it names no scheme, and the URL is not https.
    Unencrypted,
    Other,
}

impl LoginTarget<'_> {
    fn match_with(&self, machine: &[u8]) -> MachineMatch {
        let scheme_ends = machine.windows(3).position(|window| window == b"://");
        let machine = match scheme_ends.map(|at| machine.split_at(at)) {
            Some((scheme, _)) if scheme != self.scheme.as_bytes() => return MachineMatch::Other,
            Some((_, rest)) => rest.get(3..).unwrap_or_default(),
            None => machine,
        };
        match (self.is_within(machine), scheme_ends.is_some() || self.scheme == "https") {
            (true, true) => MachineMatch::Full,
            (true, false) => MachineMatch::Unencrypted,
            (false, _) => MachineMatch::Other,
        }
    }

    /// A machine without a path is a host, with the URL's own port or without; one with a path is the beginning of host, port
    /// and path. The host's letter case does not count.
    fn is_within(&self, machine: &[u8]) -> bool {
        let host = self.host.to_ascii_lowercase();
        let with_port = self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let path_at = machine.iter().position(|byte| *byte == b'/');
        let (named, path) = machine.split_at(path_at.unwrap_or(machine.len()));
        let named = named.to_ascii_lowercase();
        match path_at {
            None => named == with_port.as_bytes() || named == host.as_bytes(),
            Some(_) => named == with_port.as_bytes() && self.path.as_bytes().starts_with(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target<'a>(scheme: &'a str, host: &'a str, port: Option<u16>, path: &'a str) -> LoginTarget<'a> {
        LoginTarget { scheme, host, port, path }
    }

    const DEBIAN: LoginTarget<'static> =
        LoginTarget { scheme: "https", host: "example.org", port: None, path: "/debian/dists/InRelease" };

    fn found(text: &str, target: LoginTarget<'_>) -> Option<String> {
        match AuthConf::parse(text.as_bytes()).login(target) {
            LoginLookup::Found(login) => {
                Some([login.user.expose(), login.password.expose()].map(String::from_utf8_lossy).join(":"))
            }
            _ => None,
        }
    }

    #[test]
    fn the_manual_page_s_examples_apply_or_do_not() {
        for (machine, applies) in [
            ("example.org", true),
            ("example.org/deb", true),
            ("example.org/debian", true),
            ("example.org/debian/", true),
            ("https://example.org", true),
            ("https://example.org/debian/", true),
            ("EXAMPLE.org/debian", true),
            ("http://example.org", false),
            ("example.org:443", false),
            ("example.org/deb/", false),
            ("example.org/Debian/", false),
            ("example.org/ubuntu", false),
            ("example.orga", false),
            ("example.or", false),
            ("example.net", false),
            ("://example.org", false),
        ] {
            let login = found(&format!("machine {machine} login apt password debian"), DEBIAN);
            assert_eq!(login.is_some(), applies, "{machine}: {login:?}");
        }
    }

    #[test]
    fn ports_and_schemes_decide() {
        let at_8080 = target("http", "h.example", Some(8080), "/a/b");
        for (machine, expected) in [
            ("http://h.example:8080", true),
            ("http://h.example:8080/a", true),
            ("http://h.example", true),
            ("http://h.example/a", false),
            ("http://h.example:80", false),
            ("https://h.example:8080", false),
        ] {
            assert_eq!(found(&format!("machine {machine} login u"), at_8080).is_some(), expected, "{machine}");
        }
        let plain = AuthConf::parse(b"machine h.example login u password p");
        assert_eq!(plain.login(at_8080), LoginLookup::Unencrypted);
        assert_eq!(found("machine ::1 login u", target("https", "::1", None, "/")), Some("u:".into()));
    }

    #[test]
    fn tokens_are_separated_by_any_white_space_and_unknown_ones_are_skipped() {
        for text in [
            "machine example.org login me password x",
            "machine\texample.org\nlogin me\n\n  password\t x \n",
            "machine\r\nexample.org\r\nlogin\r\nme\r\npassword\r\nx\r\n",
            "default machine example.org account a password x login me # trailing words",
            "machine other.org login you password y machine example.org login me password x",
            "# machine example.org login me password x",
        ] {
            assert_eq!(found(text, DEBIAN).as_deref(), Some("me:x"), "{text}");
        }
        assert_eq!(found("machine example.org login me password \"a b\"", DEBIAN).as_deref(), Some("me:\"a"));
    }

    #[test]
    fn the_first_machine_that_matches_counts_even_if_it_has_no_login() {
        let two = "machine example.org/debian login a password b machine example.org login c password d";
        assert_eq!(found(two, DEBIAN).as_deref(), Some("a:b"));
        assert_eq!(found("machine example.org machine example.org login c", DEBIAN), None);
        assert_eq!(found("machine example.org login a login b", DEBIAN).as_deref(), Some("b:"));
        assert_eq!(found("machine example.org login a password", DEBIAN).as_deref(), Some("a:"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let conf = AuthConf::parse(b"machine example.org login me password hush");
        let text = format!("{conf:?} {:?}", conf.login(DEBIAN));
        assert!(!text.contains("hush") && !text.contains("me\""), "{text}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = AuthConf::parse(&text).login(DEBIAN);
        }

        #[test]
        fn a_login_is_found_among_others_however_it_is_laid_out(
            others in prop::collection::vec("[a-z]{1,8}\\.invalid", 0..4),
            at in 0_usize..5,
            user in "[a-z0-9#\"/:]{1,9}",
            password in "[!-~]{1,20}",
            gap in "[ \t\n]{1,3}",
        ) {
            prop_assume!(user != "machine" && password != "machine");
            let other = |host: &String| format!("machine {host} login no password never\n");
            let at = at.min(others.len());
            let before: String = others[..at].iter().map(other).collect();
            let after: String = others[at..].iter().map(other).collect();
            let own = ["machine", "example.org", "login", &user, "password", &password].join(&gap);
            let text = format!("{before}{own}\n{after}");
            prop_assert_eq!(found(&text, DEBIAN), Some(format!("{user}:{password}")));
        }

        #[test]
        fn a_login_never_goes_to_a_host_that_no_machine_names(
            words in prop::collection::vec("machine|login|password|https://|[a-z./:]{1,12}", 0..30),
        ) {
            let text = words.join(" ");
            let host = "secure.example";
            let lookup = AuthConf::parse(text.as_bytes()).login(target("https", host, None, "/a"));
            prop_assert!(!matches!(lookup, LoginLookup::Found(_)) || text.contains(host), "{text}");
        }
    }
}
