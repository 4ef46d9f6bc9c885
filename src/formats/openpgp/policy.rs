//! Which algorithms and subpackets are good enough: rules that the arithmetic knows nothing of.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{EcdsaPublicParams, EddsaLegacyPublicParams, PublicParams, RsaPublicParams};

/// How far in the future a signature may be made, in seconds: clocks on two sides of a gap drift.
pub const CLOCK_TOLERANCE: i64 = 300;

/// The shortest RSA key that is taken, in bits.
const MIN_RSA_BITS: u16 = 2048;

/// Whether a signature on data may use this hash.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// Whether a certificate's self-signature may use this hash. SHA-1 may, as in gpgv 2.2 and 2.4, which refuse it only in
/// signatures of others on a key: abusing a self-signature takes a collision that the key's owner prepared.
pub(super) fn is_fit_for_self_signature(hash: HashAlgorithm) -> bool {
    is_strong(hash) || matches!(hash, HashAlgorithm::Sha1 | HashAlgorithm::Sha224)
}

/// Whether a key's kind and size are taken: RSA of 2048 bits and more, Ed25519, Ed448, ECDSA on the NIST curves.
pub(super) fn is_strong_key(params: &PublicParams) -> bool {
    match params {
        PublicParams::RSA(rsa) => modulus_bits(rsa) >= MIN_RSA_BITS,
        PublicParams::EdDSALegacy(eddsa) => matches!(eddsa, EddsaLegacyPublicParams::Ed25519 { .. }),
        PublicParams::Ed25519(_) | PublicParams::Ed448(_) => true,
        PublicParams::ECDSA(ecdsa) => matches!(
            ecdsa,
            EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. } | EcdsaPublicParams::P521 { .. }
        ),
        _ => false,
    }
}

/// A multiprecision integer begins with its length in bits, and the modulus is the first one.
fn modulus_bits(rsa: &RsaPublicParams) -> u16 {
    let mut bytes = Vec::new();
    match (rsa.to_writer(&mut bytes), bytes.first_chunk()) {
        (Ok(()), Some(bits)) => u16::from_be_bytes(*bits),
        _ => 0,
    }
}

/// Whether the signed part has a critical subpacket that we do not act upon. No notation is known here.
pub(super) fn has_unknown_critical(signature: &Signature) -> bool {
    use SubpacketData as Data;
    signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|subpacket| {
            subpacket.is_critical
                && matches!(subpacket.data, Data::Other(..) | Data::Experimental(..) | Data::Notation(..))
        })
    })
}
