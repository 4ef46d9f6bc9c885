//! Rows on keys and keyrings: expiry, revocation, subkeys, strength, and files of several certificates.

use pgp::armor::BlockType;
use pgp::packet::{Packet, SignatureType};

use super::keys::{BORN, DAY, Keys, NOW, SIGNED};
use super::surgery::{armored, rewrite, without_back_signature};
use super::table::Expect::{BothAccept, BothRefuse, OnlyGpgv, OnlyUs};
use super::table::Row;

const TEXT: &str = "a\nb\n";

pub(super) fn rows(keys: &Keys) -> Vec<Row> {
    [lifetimes(keys), subkeys(keys), strength(keys), rings(keys)].into_iter().flatten().collect()
}

/// Expired and revoked primary keys.
fn lifetimes(keys: &Keys) -> Vec<Row> {
    let brief = keys.make("brief", "ed25519", "sign", "50d");
    let before = keys.ring(&[&brief]);
    let message = keys.clear(&[&brief], TEXT);
    // gpg does not sign with an expired key, so that one comes from a time when it had longer to live.
    keys.gpg_at(BORN + DAY, &["--quick-set-expire", &brief, "500d"], b"");
    let after = keys.ring(&[&brief]);
    let late = keys.clear_with(&[&brief], TEXT, BORN + 60 * DAY, &[]);
    let revoked = keys.make("revoked", "ed25519", "sign", "never");
    let by_revoked = keys.clear(&[&revoked], TEXT);
    let not_yet = keys.ring(&[&revoked]);
    keys.revoke(&revoked);
    let revoked = keys.ring(&[&revoked]);

    let ward = keys.make("ward", "ed25519", "sign", "never");
    keys.gnupg.edit(&ward, &format!("addrevoker\n{}\ny\nsave\n", keys.bob));
    let by_ward = keys.clear(&[&ward], TEXT);
    let with_revoker = keys.ring(&[&ward]);
    let revocation = keys.gnupg.dialogue(&["--desig-revoke", &ward], "y\n0\n\ny\n");
    keys.gnupg.gpg(&["--import"], &revocation);
    let ward = keys.ring(&[&ward]);

    let row = |name, ring: &[u8], message: &str, expect| Row::clear(name, ring, message, expect);
    let merged = "copies of a certificate are merged, and the newest statement counts";
    let joined = |first: &[u8], second: &[u8]| [first, second].concat();
    vec![
        row("key valid then and now", &before, &message, BothAccept).at(BORN + 40 * DAY),
        row("key valid then, expired now", &before, &message, BothRefuse),
        row("key expired then", &before, &late, BothRefuse),
        row(
            "key expired then, seen before its expiry",
            &before,
            &late,
            OnlyGpgv("a signature from the future is refused"),
        )
        .at(BORN + 49 * DAY),
        row("key prolonged", &after, &message, BothAccept),
        row("key prolonged, old copy first", &joined(&before, &after), &message, OnlyUs(merged)),
        row("key prolonged, new copy first", &joined(&after, &before), &message, BothAccept),
        row("key revoked later", &not_yet, &by_revoked, BothAccept),
        row("key revoked", &revoked, &by_revoked, BothRefuse),
        row("key revoked, new copy first", &joined(&revoked, &not_yet), &by_revoked, BothRefuse),
        row(
            "key revoked, old copy first",
            &joined(&not_yet, &revoked),
            &by_revoked,
            OnlyGpgv("a revocation in any copy counts"),
        ),
        row("key with a designated revoker", &with_revoker, &by_ward, BothAccept),
        row("key revoked by its designated revoker", &joined(&ward, &keys.ring(&[&keys.bob])), &by_ward, BothRefuse),
        row("the same, that revoker not in the keyring", &ward, &by_ward, OnlyGpgv("believed unchecked")),
        row(
            "key revoked beside a good one",
            &joined(&revoked, &keys.ring(&[&keys.alice])),
            &keys.clear(&[&keys.alice], TEXT),
            BothAccept,
        ),
    ]
}

/// Signing subkeys, and how they hang on their primary key.
fn subkeys(keys: &Keys) -> Vec<Row> {
    let whole = keys.make_with_subkey("whole", "never");
    let message = keys.clear(&[&whole], TEXT);
    let ring = keys.ring(&[&whole]);
    let is = |packet: &Packet, kind| matches!(packet, Packet::Signature(signature) if signature.typ() == Some(kind));
    let unbound = rewrite(&ring, |packet| (!is(&packet, SignatureType::SubkeyBinding)).then_some(packet));
    let no_user = rewrite(&ring, |packet| (!is(&packet, SignatureType::CertPositive)).then_some(packet));
    let adopted = [
        keys.ring(&[&keys.alice]),
        rewrite(&ring, |packet| match packet {
            Packet::PublicKey(_) | Packet::UserId(_) => None,
            packet => (!is(&packet, SignatureType::CertPositive)).then_some(packet),
        }),
    ]
    .concat();
    let only_back_less = rewrite(&ring, without_back_signature);

    let brief = keys.make_with_subkey("brief subkey", "50d");
    let by_brief = keys.clear(&[&brief], TEXT);
    let revoked = keys.make_with_subkey("revoked subkey", "never");
    let by_revoked = keys.clear(&[&revoked], TEXT);
    keys.gnupg.edit(&revoked, "key 1\nrevkey\ny\n0\n\ny\nsave\n");
    let revoked = keys.ring(&[&revoked]);
    let only_revocation = rewrite(&revoked, |packet| (!is(&packet, SignatureType::SubkeyBinding)).then_some(packet));

    let flagless = keys.make("flagless", "rsa2048", "cert", "never");
    keys.add_subkey(&flagless, "rsa2048", "sign,auth", "never");
    let by_flagless = keys.clear(&[&flagless], TEXT);
    keys.gnupg.edit(&flagless, "key 1\nchange-usage\nS\nQ\nsave\n");
    let by_primary = keys.make("cert only later", "ed25519", "sign,cert", "never");
    let by_cert_only = keys.clear(&[&by_primary], TEXT);
    keys.gnupg.edit(&by_primary, "change-usage\nS\nQ\nsave\n");

    let dead = keys.make("dead primary", "ed25519", "cert", "50d");
    keys.add_subkey(&dead, "ed25519", "sign", "never");
    let by_dead = keys.clear(&[&dead], TEXT);

    let row = |name, ring: &[u8], message: &str, expect| Row::clear(name, ring, message, expect);
    vec![
        row("signing subkey", &ring, &message, BothAccept),
        row("the same after packet surgery", &rewrite(&ring, Some), &message, BothAccept),
        row("subkey without binding", &unbound, &message, BothRefuse),
        row("subkey without back-signature", &only_back_less, &message, BothRefuse),
        row("primary without self-signature", &no_user, &message, BothRefuse),
        row("subkey hung on another primary", &adopted, &message, BothRefuse),
        row(
            "subkey hung on another primary, beside its own",
            &[adopted.clone(), ring.clone()].concat(),
            &message,
            OnlyUs("the rightful certificate counts, wherever it stands"),
        ),
        row("subkey valid then and now", &keys.ring(&[&brief]), &by_brief, BothAccept).at(BORN + 40 * DAY),
        row("subkey expired now", &keys.ring(&[&brief]), &by_brief, BothRefuse),
        row("subkey revoked", &revoked, &by_revoked, BothRefuse),
        row("subkey with only a revocation (rpgp#801)", &only_revocation, &by_revoked, BothRefuse),
        row("subkey without the sign flag", &keys.ring(&[&flagless]), &by_flagless, BothRefuse),
        row("primary without the sign flag", &keys.ring(&[&by_primary]), &by_cert_only, BothRefuse),
        row("subkey of a primary that expired", &keys.ring(&[&dead]), &by_dead, BothRefuse),
    ]
}

/// Kinds and sizes of keys, and the hashes of self-signatures.
fn strength(keys: &Keys) -> Vec<Row> {
    let row = |name, algorithm: &str, options: &[&str], expect| {
        let key = keys.make_with(options, name, algorithm, "sign", "never");
        Row::clear(
            name,
            &keys.ring(&[&key]),
            keys.clear_with(&[&key], TEXT, SIGNED, &["--allow-weak-digest-algos", "--digest-algo", "SHA512"]),
            expect,
        )
    };
    let weak = "the least that is taken is RSA of 2048 bits";
    let other = "not among the kinds that are taken";
    vec![
        row("RSA of 1024 bits", "rsa1024", &[], OnlyGpgv(weak)),
        row("RSA of 2048 bits", "rsa2048", &[], BothAccept),
        row("ECDSA on P-256", "nistp256", &[], BothAccept),
        row("ECDSA on P-384", "nistp384", &[], BothAccept),
        row("ECDSA on P-521", "nistp521", &[], BothAccept),
        row("ECDSA on Brainpool", "brainpoolP256r1", &[], OnlyGpgv(other)),
        row("ECDSA on secp256k1", "secp256k1", &[], OnlyGpgv(other)),
        row("DSA of 2048 bits", "dsa2048", &[], OnlyGpgv(other)),
        row("SHA-1 in the self-signature", "rsa2048", &["--cert-digest-algo", "SHA1"], BothAccept),
        row(
            "MD5 in the self-signature",
            "rsa2048",
            &["--cert-digest-algo", "MD5", "--allow-weak-digest-algos"],
            BothRefuse,
        ),
    ]
}

/// Files of several certificates, armored ones, broken ones.
fn rings(keys: &Keys) -> Vec<Row> {
    let alice = keys.ring(&[&keys.alice]);
    let bob = keys.ring(&[&keys.bob]);
    let message = keys.clear(&[&keys.alice], TEXT);
    let block = |ring: &[u8]| armored(ring, BlockType::PublicKey);
    let both = [bob.clone(), alice.clone()].concat();
    let row = |name, ring: &[u8], expect| Row::clear(name, ring, message.clone(), expect);
    let of_armor =
        |name, ring: String| Row { gpgv_keyring: Some(both.clone()), ..row(name, ring.as_bytes(), BothAccept) };
    let wrong_user = rewrite(&alice, |packet| match packet {
        Packet::UserId(_) => Some(pgp::packet::UserId::from_str(Default::default(), "mallory").unwrap().into()),
        packet => Some(packet),
    });
    let cut = |ring: &[u8], short: usize| ring[..ring.len() - short].to_vec();
    vec![
        row("keyring of two certificates", &both, BothAccept),
        row("keyring without the key", &bob, BothRefuse),
        of_armor("armored keyring", block(&both)),
        of_armor("two armored blocks", block(&bob) + &block(&alice)),
        of_armor("armored keyring with text before it", format!("pub ed25519\n\n{}", block(&both))),
        row("keyring with a broken certificate first", &[cut(&bob, 100), alice.clone()].concat(), BothRefuse),
        row("keyring with a broken certificate last", &[alice.clone(), cut(&bob, 10)].concat(), BothAccept),
        row(
            "keyring with garbage at its end",
            &[alice.clone(), b"garbage".to_vec()].concat(),
            OnlyUs("what cannot be parsed is left out and recorded"),
        ),
        row("user id changed", &wrong_user, BothRefuse),
        row("empty keyring", b"", BothRefuse),
        row("secret key as keyring", &keys.gnupg.gpg(&["--export-secret-keys", &keys.alice], b""), BothRefuse),
    ]
    .into_iter()
    .map(|row| row.at(NOW))
    .collect()
}
