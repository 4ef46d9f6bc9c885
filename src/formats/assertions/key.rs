//! Public keys in assertions, and the signatures that they verify.

use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents};

use super::packets::{self, PacketReader};
use crate::digest::Sha3;
use crate::formats::Invalid;

/// Shortest and longest RSA modulus, in bits: the root's has the latter, the store's 4096.
pub const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The creation time that every key states: 2016-01-01, in Unix seconds. So the key alone determines its id.
pub const KEY_CREATED: u32 = 1_451_606_400;
/// RSA, for encryption and signatures (RFC 4880, section 9.1).
const RSA: u8 = 1;

/// An RSA key and the id by which assertions name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    id: Sha3,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl RsaPublicKey {
    /// Reads the body of an account-key.
    ///
    /// The id is the SHA3-384 of the packet as snapd would write it again. So that this needs no encoder, a packet that is
    /// written in any other way is refused.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let bytes = packets::decode(text)?;
        let body = packets::body(&bytes, packets::PUBLIC_KEY)?;
        // Keys of 2048 to 8192 bits have a length of two octets when written as short as can be.
        if body.len() + 4 != bytes.len() {
            return Err(Invalid::new("its length is not written as snapd writes it"));
        }
        let mut reader = PacketReader(body);
        if reader.byte()? != 4 {
            return Err(Invalid::new("it is no key of version 4"));
        }
        if reader.take(4)? != KEY_CREATED.to_be_bytes() {
            return Err(Invalid::new("its creation time is not the one that all keys have"));
        }
        if reader.byte()? != RSA {
            return Err(Invalid::new("it is no RSA key"));
        }
        let (modulus, exponent) = (reader.exact_integer()?.to_vec(), reader.exact_integer()?.to_vec());
        reader.end()?;
        if !KEY_BITS.contains(&packets::bit_length(&modulus)) {
            return Err(Invalid::new("its modulus has not 2048 to 8192 bits"));
        }
        Ok(Self { id: Sha3::of(&bytes), modulus, exponent })
    }

    /// The SHA3-384 of the encoded key.
    pub fn id(&self) -> Sha3 {
        self.id
    }

    /// Whether `signature` is this key's on exactly the bytes `content`.
    pub(super) fn verify(&self, content: &[u8], signature: &Signature) -> Result<(), Invalid> {
        let padding = self.modulus.len().checked_sub(signature.integer.len()).ok_or_else(wrong)?;
        let (hash, parameters) = signature.hash.algorithms();
        // RFC 4880, section 5.2.4: the content, the hashed part, and a trailer with its length.
        let mut signed = Vec::with_capacity(content.len() + signature.hashed.len() + 6);
        signed.extend_from_slice(content);
        signed.extend_from_slice(&signature.hashed);
        signed.extend_from_slice(&[4, 0xFF]);
        signed.extend_from_slice(&u32::try_from(signature.hashed.len()).unwrap_or(u32::MAX).to_be_bytes());
        if !digest::digest(hash, &signed).as_ref().starts_with(&signature.first_bytes) {
            return Err(wrong());
        }
        let mut integer = vec![0; padding];
        integer.extend_from_slice(&signature.integer);
        RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent }
            .verify(parameters, &signed, &integer)
            .map_err(|_| wrong())
    }
}

fn wrong() -> Invalid {
    Invalid::new("it is of another key or on other bytes")
}

/// The hash below a signature. snapd signs with SHA-512 and also takes SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn algorithms(self) -> (&'static digest::Algorithm, &'static RsaParameters) {
        match self {
            Self::Sha256 => (&digest::SHA256, &RSA_PKCS1_2048_8192_SHA256),
            Self::Sha512 => (&digest::SHA512, &RSA_PKCS1_2048_8192_SHA512),
        }
    }
}

/// A signature packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    hash: Hash,
    /// Everything from the version to the end of the hashed subpackets.
    hashed: Vec<u8>,
    /// The first two bytes of the digest.
    first_bytes: [u8; 2],
    integer: Vec<u8>,
}

/// Subpacket with the time of signing, which has to be there (RFC 4880, section 5.2.3.4).
const CREATION_TIME: u8 = 2;
/// Subpackets that may be marked critical: those that snapd's OpenPGP library knows, all of no consequence here.
const KNOWN: [u8; 11] = [CREATION_TIME, 3, 9, 11, 16, 21, 22, 25, 27, 29, 33];

impl Signature {
    /// Reads what stands at the end of an assertion.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let bytes = packets::decode(text)?;
        let body = packets::body(&bytes, packets::SIGNATURE)?;
        let mut reader = PacketReader(body);
        if reader.byte()? != 4 {
            return Err(Invalid::new("it is no signature of version 4"));
        }
        if reader.byte()? != 0 {
            return Err(Invalid::new("it is no signature of a document"));
        }
        if reader.byte()? != RSA {
            return Err(Invalid::new("it is no RSA signature"));
        }
        let hash = match reader.byte()? {
            8 => Hash::Sha256,
            10 => Hash::Sha512,
            _ => return Err(Invalid::new("its hash is neither SHA-512 nor SHA-256")),
        };
        let length = reader.u16()?;
        let has_time = check_subpackets(reader.take(length)?)?;
        let hashed = body.len() - reader.0.len();
        let length = reader.u16()?;
        check_subpackets(reader.take(length)?)?;
        if !has_time {
            return Err(Invalid::new("it does not say when it was made"));
        }
        let first_bytes = [reader.byte()?, reader.byte()?];
        let integer = reader.integer()?.to_vec();
        reader.end()?;
        Ok(Self { hash, hashed: body.get(..hashed).unwrap_or_default().to_vec(), first_bytes, integer })
    }
}

/// Walks over one area of subpackets; whether the time of signing is among them.
fn check_subpackets(area: &[u8]) -> Result<bool, Invalid> {
    let mut reader = PacketReader(area);
    let mut has_time = false;
    while !reader.0.is_empty() {
        let length = match reader.byte()? {
            first @ 0..=191 => usize::from(first),
            first @ 192..=254 => (usize::from(first) - 192) * 256 + usize::from(reader.byte()?) + 192,
            255 => reader.u16()? << 16 | reader.u16()?,
        };
        let mut subpacket = PacketReader(reader.take(length)?);
        let kind = subpacket.byte()?;
        if kind & 0x80 != 0 && !KNOWN.contains(&(kind & 0x7F)) {
            return Err(Invalid::new("it demands what is not known here"));
        }
        if kind & 0x7F == CREATION_TIME {
            has_time = subpacket.0.len() == 4;
        }
    }
    Ok(has_time)
}
