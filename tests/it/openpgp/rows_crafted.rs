//! Rows on signatures that gpg would not make: crafted packet by packet, mathematically right, and odd.

use gapferry::formats::openpgp::SiteKey;
use pgp::composed::{Deserializable, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{PacketTrait, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};

use super::keys::{BORN, Keys, SIGNED};
use super::surgery::{clear_message, signatures_of};
use super::table::Expect::{self, BothAccept, BothRefuse, OnlyGpgv, OnlyUs};
use super::table::Row;

const TEXT: &str = "a\nb\n";
/// What a signature on [`TEXT`] as clear text is computed over.
const HASHED: &[u8] = b"a\r\nb";

pub(super) fn rows(keys: &Keys) -> Vec<Row> {
    let site = SiteKey::generate("crafted", BORN).unwrap();
    let key = SignedSecretKey::from_bytes(&*site.to_bytes().unwrap()).unwrap();
    let ring = [site.public_binary().unwrap(), keys.ring(&[&keys.alice])].concat();
    let sign = |change: &dyn Fn(&mut SignatureConfig)| signature(&key, SignatureType::Text, HASHED, change);
    let message = |signature: &[u8]| clear_message("Hash: SHA512\n", TEXT, signature);
    let clear = |name, signature: &[u8], expect: Expect| Row::clear(name, &ring, message(signature), expect);
    let add = |subpacket: Subpacket| sign(&|config| config.hashed_subpackets.push(subpacket.clone()));
    let without = |index: usize| sign(&|config| drop(config.hashed_subpackets.remove(index)));
    let odd = |kind| signature(&key, kind, HASHED, &|_| {});
    let experimental = SubpacketData::Experimental(101, b"x".to_vec().into());
    let forever = SubpacketData::SignatureExpirationTime(Duration::from_secs(u32::MAX));
    let never = SubpacketData::SignatureExpirationTime(Duration::from_secs(0));
    let good = sign(&|_| {});
    let beside = |other: &[u8]| [good.as_slice(), other].concat();
    let nameless = [site.public_binary().unwrap(), user_revocation(&key)].concat();
    let by_alice = signatures_of(&keys.clear_with(&[&keys.alice], TEXT, SIGNED, &["--digest-algo", "SHA512"]));
    let mixed = [by_alice, add(Subpacket::critical(experimental.clone()).unwrap())].concat();
    let other = "what cannot be judged does not spoil what can";
    let gone = "a certificate needs a self-signature that still holds";
    vec![
        Row::clear("only user id revoked", &nameless, message(&good), OnlyGpgv(gone)),
        clear("crafted, plain", &good, BothAccept),
        clear("crafted, of binary type over the hashed text", &odd(SignatureType::Binary), BothAccept),
        clear("crafted, standalone", &odd(SignatureType::Standalone), BothRefuse),
        clear("crafted, timestamp", &odd(SignatureType::Timestamp), BothRefuse),
        clear("crafted, third-party confirmation", &odd(SignatureType::ThirdParty), BothRefuse),
        clear("crafted, certification", &odd(SignatureType::CertPositive), BothRefuse),
        clear("crafted, unknown type", &odd(SignatureType::Other(0x77)), BothRefuse),
        clear("crafted, unknown subpacket", &add(Subpacket::regular(experimental.clone()).unwrap()), BothAccept),
        clear("crafted, unknown critical subpacket", &add(Subpacket::critical(experimental).unwrap()), BothRefuse),
        Row::clear("good and one with a critical subpacket", &ring, message(&mixed), OnlyUs(other)),
        clear("crafted, no time", &without(0), BothRefuse),
        clear("crafted, no fingerprint of the issuer", &without(1), BothAccept),
        clear(
            "crafted, nobody named",
            &sign(&|config| {
                config.hashed_subpackets.truncate(1);
                config.unhashed_subpackets.clear();
            }),
            BothRefuse,
        ),
        clear(
            "crafted, another algorithm named",
            &sign(&|config| config.pub_alg = PublicKeyAlgorithm::ECDSA),
            OnlyGpgv("a signature must name the algorithm of its key"),
        ),
        clear(
            "crafted, holds until 2156",
            &add(Subpacket::regular(forever).unwrap()),
            OnlyUs("gpgv counts in 32 bits and overflows"),
        ),
        clear("crafted, lifetime of zero", &add(Subpacket::regular(never).unwrap()), BothAccept),
        clear(
            "crafted, made at the end of time",
            &sign(&|config| {
                config.hashed_subpackets[0] = time(u32::MAX);
            }),
            OnlyGpgv("a signature from the future is refused"),
        ),
        clear("crafted, good and of unknown type", &beside(&odd(SignatureType::Other(0x77))), BothAccept),
        clear("crafted, good and of an unknown version", &beside(&[0xc2, 3, 9, 9, 9]), BothAccept),
        clear("crafted, good and one that cannot be parsed", &beside(&[0xc2, 3, 4, 1, 1]), BothAccept),
        clear("crafted, only one that cannot be parsed", &[0xc2, 3, 4, 1, 1], BothRefuse),
    ]
}

fn time(seconds: u32) -> Subpacket {
    Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(seconds))).unwrap()
}

/// A signature packet, its configuration changed before it is made.
fn signature(
    key: &SignedSecretKey,
    kind: SignatureType,
    data: &[u8],
    change: &dyn Fn(&mut SignatureConfig),
) -> Vec<u8> {
    let key = &key.primary_key;
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha512);
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    config.hashed_subpackets = vec![time(SIGNED.try_into().unwrap()), Subpacket::regular(issuer).unwrap()];
    let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(id).unwrap()];
    change(&mut config);
    // The crate signs documents only, so the digest is put together here (RFC 4880, section 5.2.4).
    let mut hasher = config.hash_alg.new_hasher().expect("hasher");
    hasher.update(data);
    let length = config.hash_signature_data(&mut hasher).expect("hash");
    hasher.update(&config.trailer(length).expect("trailer"));
    let digest = hasher.finalize();
    let numbers = key.sign(&Password::empty(), config.hash_alg, &digest).expect("sign");
    let mut bytes = Vec::new();
    let signature = Signature::from_config(config, [digest[0], digest[1]], numbers).expect("signature");
    signature.to_writer_with_header(&mut bytes).expect("write");
    bytes
}

/// The key's revocation of its only user id, which gpg refuses to make.
fn user_revocation(key: &SignedSecretKey) -> Vec<u8> {
    let (key, id) = (&key.primary_key, &key.details.users[0].id);
    let mut config = SignatureConfig::v4(SignatureType::CertRevocation, key.algorithm(), HashAlgorithm::Sha512);
    let issuer = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.hashed_subpackets = vec![time(SIGNED.try_into().unwrap()), Subpacket::regular(issuer).unwrap()];
    let revocation = config.sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, id);
    let mut bytes = Vec::new();
    revocation.expect("sign").to_writer_with_header(&mut bytes).expect("write");
    bytes
}
