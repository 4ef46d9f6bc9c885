//! What generated packages contain: given bytes, or bytes that no compressor shrinks.

use std::io::{self, Read};

/// The content of the one file in a generated package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// Incompressible bytes that `seed` determines; made while they are written, never held.
    Pseudorandom {
        /// Length in bytes.
        size: u64,
        /// Different seeds give different bytes.
        seed: u64,
    },
}

impl Payload {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pseudorandom { size, .. } => *size,
        }
    }

    /// The content, from its start.
    pub fn reader(&self) -> Box<dyn Read + '_> {
        match self {
            Self::Bytes(bytes) => Box::new(bytes.as_slice()),
            Self::Pseudorandom { size, seed } => Box::new(Pseudorandom::new(*seed).take(*size)),
        }
    }
}

/// An endless stream of bytes that a seed determines (SplitMix64): fast, incompressible, and of no use as a secret.
pub struct Pseudorandom {
    state: u64,
    /// What is left of the last number, and how many of its bytes.
    rest: (u64, usize),
}

impl Pseudorandom {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, rest: (0, 0) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Read for Pseudorandom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (chunks, tail) = buffer.as_chunks_mut::<8>();
        if self.rest.1 == 0 && !chunks.is_empty() {
            for chunk in chunks.iter_mut() {
                *chunk = self.next().to_le_bytes();
            }
            return Ok(chunks.len() * 8);
        }
        // Odd lengths go byte by byte, so that the stream is the same however it is cut.
        let short = if chunks.is_empty() { tail } else { buffer };
        let mut written = 0;
        let until_aligned = if self.rest.1 == 0 { 8 } else { self.rest.1 };
        for byte in short.iter_mut().take(until_aligned) {
            if self.rest.1 == 0 {
                self.rest = (self.next(), 8);
            }
            *byte = self.rest.0.to_le_bytes()[0];
            self.rest = (self.rest.0 >> 8, self.rest.1 - 1);
            written += 1;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_stream_does_not_depend_on_how_it_is_read(cuts in prop::collection::vec(0usize..40, 0..20)) {
            let total: usize = cuts.iter().sum();
            let mut whole = Vec::new();
            Payload::Pseudorandom { size: total as u64, seed: 7 }.reader().read_to_end(&mut whole).unwrap();
            let mut stream = Pseudorandom::new(7);
            let mut pieces = Vec::new();
            for cut in cuts {
                let mut piece = vec![0; cut];
                stream.read_exact(&mut piece).unwrap();
                pieces.extend(piece);
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
