//! The OpenPGP packets in assertions, taken apart: base64 of a version octet and one packet.
//!
//! Only what snapd writes is read: new-format headers with a definite length (RFC 4880, section 4.2.2), and nothing after
//! the packet.

use crate::formats::Invalid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The version octet before the packet.
pub(super) const VERSION: u8 = 1;
/// Tag of a signature packet.
pub(super) const SIGNATURE: u8 = 2;
/// Tag of a public-key packet.
pub(super) const PUBLIC_KEY: u8 = 6;

/// Decodes base64 with line ends anywhere, as the version octet and the packet.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, Invalid> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\n').collect();
    let bytes = STANDARD.decode(text).map_err(|_| Invalid::new("it is no base64"))?;
    match bytes.first() {
        Some(&VERSION) => Ok(bytes),
        _ => Err(Invalid::new("its version is not 1")),
    }
}

/// What [`decode`] returned, without the version octet and the header of the one packet, which has this tag.
pub(super) fn body(bytes: &[u8], tag: u8) -> Result<&[u8], Invalid> {
    let mut reader = PacketReader(bytes);
    reader.take(1)?;
    if reader.byte()? != 0xC0 | tag {
        return Err(Invalid::new("it is another kind of packet"));
    }
    let length = match reader.byte()? {
        first @ 0..=191 => usize::from(first),
        first @ 192..=223 => (usize::from(first) - 192) * 256 + usize::from(reader.byte()?) + 192,
        255 => reader.u16()? << 16 | reader.u16()?,
        _ => return Err(Invalid::new("its length is not given at once")),
    };
    if reader.0.len() != length {
        return Err(Invalid::new("its length is wrong"));
    }
    Ok(reader.0)
}

/// Reads a packet's fields one after another.
pub(super) struct PacketReader<'a>(pub(super) &'a [u8]);

impl<'a> PacketReader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| Invalid::new("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Invalid> {
        self.take(1).map(|bytes| bytes.iter().fold(0, |_, byte| *byte))
    }

    /// A big-endian number of two octets.
    pub(super) fn u16(&mut self) -> Result<usize, Invalid> {
        Ok(usize::from(self.byte()?) << 8 | usize::from(self.byte()?))
    }

    /// A multi-precision integer (RFC 4880, section 3.2). It may have leading zeros, as the store's signatures have.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], Invalid> {
        let bits = self.u16()?;
        self.take(bits.div_ceil(8))
    }

    /// An integer without leading zeros and with its exact length in bits.
    pub(super) fn exact_integer(&mut self) -> Result<&'a [u8], Invalid> {
        let bits = self.0.iter().take(2).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bytes = self.integer()?;
        if bits == bit_length(bytes) && bytes.first() != Some(&0) {
            Ok(bytes)
        } else {
            Err(Invalid::new("an integer has another length"))
        }
    }

    /// Whether all is read.
    pub(super) fn end(&self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid::new("bytes follow what it should hold")) }
    }
}

/// The length in bits of a number whose first byte is not zero.
pub(super) fn bit_length(bytes: &[u8]) -> usize {
    (bytes.len() * 8).saturating_sub(bytes.first().map_or(0, |first| first.leading_zeros() as usize))
}
