//! Signatures over trust files, judged by ssh-keygen: key files, ssh-agent and hardware tokens.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ed25519_dalek::{Signer as _, SigningKey};
use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::trust::TRUST_NAMESPACE;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use super::desk_with_roots;
use crate::support::desk::{Desk, end};

/// A hardware token, as far as its signatures show.
pub(crate) struct Token {
    key: SigningKey,
    application: &'static str,
    flags: u8,
}

/// The flags of a token whose user is present, and of one whose user has given a PIN too.
pub(crate) const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;

impl Token {
    pub(crate) fn new(flags: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[7; 32]), application: "ssh:", flags }
    }

    fn public(&self) -> KeyData {
        let point = Ed25519PublicKey(self.key.verifying_key().to_bytes());
        KeyData::SkEd25519(SkEd25519::new(point, self.application))
    }

    /// Writes its public key file.
    pub(crate) fn write_public(&self, path: &Path) {
        let line = ssh_key::PublicKey::new(self.public(), "token").to_openssh().unwrap();
        fs::write(path, line + "\n").unwrap();
    }

    /// Signs as PROTOCOL.u2f has it: over the application, the flags, a counter and the message.
    pub(crate) fn sign(&self, namespace: &str, message: &[u8]) -> String {
        let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).unwrap();
        let more = [self.flags, 0, 0, 0, 42];
        let application = Sha256::of(self.application.as_bytes());
        let signed = [application.as_bytes().as_slice(), &more, Sha256::of(&data).as_bytes()].concat();
        let raw = [self.key.sign(&signed).to_bytes().as_slice(), &more].concat();
        let signature = Signature::new(Algorithm::SkEd25519, raw).unwrap();
        let signature = SshSig::new(self.public(), namespace, HashAlg::Sha512, signature).unwrap();
        signature.to_pem(LineEnding::LF).unwrap()
    }
}

/// Returns whether ssh-keygen, with the site's allowed signers, accepts this signature of a person over a file.
fn ssh_keygen_accepts(desk: &Desk, person: &str, signature: &str, file: &str) -> bool {
    let allowed = desk.run("trust show site --allowed-signers").ok().out;
    fs::write(desk.path("allowed_signers"), allowed).unwrap();
    fs::write(desk.path("one.sig"), signature).unwrap();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-f", "allowed_signers", "-I", person, "-n", TRUST_NAMESPACE, "-s", "one.sig"]);
    command.current_dir(desk.path("")).stdin(fs::File::open(desk.path(file)).unwrap());
    end(&mut command).code == 0
}

/// A desk whose site has a root person with this token, beside three with key files.
fn desk_with_token(token: &Token) -> Desk {
    let desk = desk_with_roots();
    token.write_public(&desk.path("token.pub"));
    let quorum = "--add-key dora:root:token.pub --quorum root=2:anna,bert,carl,dora";
    desk.next_trust("2.json", quorum, &["anna", "bert"]);
    desk.apply("2.json").ok();
    desk
}

#[test]
fn a_token_counts_if_its_user_is_present() {
    for (flags, counts) in [(PRESENT, true), (PRESENT | VERIFIED, true), (0, false), (VERIFIED, false), (0x81, false)] {
        let token = Token::new(flags);
        let desk = desk_with_token(&token);
        desk.next_trust("3.json", "--epoch 2", &["anna"]);
        let text = fs::read(desk.path("3.json")).unwrap();
        let signature = token.sign(TRUST_NAMESPACE, &text);
        let path = desk.path("3.json.sig");
        fs::write(&path, fs::read_to_string(&path).unwrap() + &signature).unwrap();
        // ssh-keygen looks at the signature alone: user presence is an option of authorized_keys (sshd(8)).
        assert!(ssh_keygen_accepts(&desk, "dora", &signature, "3.json"), "flags {flags}");
        match counts {
            true => drop(desk.apply("3.json").ok()),
            false => drop(desk.apply("3.json").says(Exit::VerificationFailed, &["does not match"])),
        }
        let altered = text.iter().rev().copied().collect::<Vec<u8>>();
        fs::write(desk.path("altered"), altered).unwrap();
        assert!(!ssh_keygen_accepts(&desk, "dora", &signature, "altered"));
    }
}

#[test]
fn keys_of_tokens_for_web_sites_are_refused() {
    let desk = desk_with_roots();
    let token = Token { application: "https://example.org", ..Token::new(PRESENT) };
    token.write_public(&desk.path("token.pub"));
    desk.run("trust edit site --out 2.json --add-key dora:root:token.pub").says(Exit::Usage, &["another application"]);
}

/// An ssh-agent, which ends with the value.
struct Agent(Child);

impl Agent {
    fn start(socket: &Path) -> Self {
        let mut command = Command::new("ssh-agent");
        let child = command.args(["-D", "-a"]).arg(socket).stdout(Stdio::null()).spawn().unwrap();
        crate::support::desk::wait_for(|| "ssh-agent makes no socket".to_owned(), || socket.exists().then_some(()));
        Self(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ssh_agent_signs() {
    let desk = desk_with_roots();
    let socket = desk.path("agent");
    let _agent = Agent::start(&socket);
    end(Command::new("ssh-add").arg(desk.path("anna.key")).env("SSH_AUTH_SOCK", &socket)).ok();
    desk.next_trust("2.json", "--epoch 2", &["bert"]);
    ["anna.key", "carl.key"].iter().for_each(|key| fs::remove_file(desk.path(key)).unwrap());
    let sign = |key: &str| {
        let mut command = desk.command(&format!("trust sign 2.json --key {key}"));
        end(command.env("SSH_AUTH_SOCK", &socket))
    };
    sign("carl.key.pub").says(Exit::Usage, &["ssh-keygen did not sign with carl.key.pub"]);
    let signed = sign("anna.key.pub").ok();
    assert!(signed.out.contains("so far by anna, bert"), "{}", signed.out);
    sign("anna.key.pub").ok();
    let signatures = fs::read_to_string(desk.path("2.json.sig")).unwrap();
    assert_eq!(signatures.matches("BEGIN SSH SIGNATURE").count(), 2, "each key signs once");
    desk.apply("2.json").ok();
}

/// Every signature that counts for gapferry counts for ssh-keygen, and the other way round.
#[test]
fn ssh_keygen_agrees_with_every_signature() {
    let desk = desk_with_roots();
    desk.next_trust("2.json", "--epoch 2", &["anna", "bert", "carl"]);
    desk.run("keygen stranger.key").ok();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", TRUST_NAMESPACE, "-f", "stranger.key"]).current_dir(desk.path(""));
    let stranger = end(command.stdin(fs::File::open(desk.path("2.json")).unwrap())).ok().out;
    let signatures = fs::read_to_string(desk.path("2.json.sig")).unwrap();
    let blocks: Vec<&str> = signatures.split_inclusive("-----END SSH SIGNATURE-----\n").collect();
    for (person, signature) in ["anna", "bert", "carl"].into_iter().zip(blocks.iter().copied()) {
        for judge in ["anna", "bert", "carl", "builder"] {
            assert_eq!(ssh_keygen_accepts(&desk, judge, signature, "2.json"), judge == person, "{judge} {person}");
        }
        assert!(!ssh_keygen_accepts(&desk, person, &stranger, "2.json"));
        fs::write(desk.path("2.json.sig"), [signature, &stranger].concat()).unwrap();
        let shown = desk.run("trust show 2.json --json").ok().json();
        assert_eq!(shown["signed_by"], serde_json::json!([person]));
    }
}
