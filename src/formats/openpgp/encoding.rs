//! Keyrings in the form that a reader wants: gpgv takes binary ones alone, and settings that are text take armor.

use crate::formats::Invalid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::armor::{self, Outside, PUBLIC_KEY};

/// Characters in a line of armor, as gpg writes them.
const LINE: usize = 64;

/// The certificates of a keyring file, binary or in armor, as a binary keyring.
pub fn binary_keyring(bytes: &[u8]) -> Result<Vec<u8>, Invalid> {
    match armor::is_binary(bytes) {
        true => Ok(bytes.to_vec()),
        false => armor::decode(bytes, PUBLIC_KEY, Outside::Skipped).map_err(armor::bad_keyring),
    }
}

/// The certificates of a keyring file, binary or in armor, in one block of armor: apt reads only the first.
pub fn armored_keyring(bytes: &[u8]) -> Result<String, Invalid> {
    let binary = binary_keyring(bytes)?;
    let mut text = format!("{}\n\n", PUBLIC_KEY.begin);
    let digits = STANDARD.encode(&binary);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % LINE == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    let [_, checksum @ ..] = crc24(&binary).to_be_bytes();
    text += &format!("\n={}\n{}\n", STANDARD.encode(checksum), PUBLIC_KEY.end);
    Ok(text)
}

/// The checksum of armor (RFC 4880, section 6.1), which older readers want.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::openpgp::{Keyring, SiteKey};

    #[test]
    fn both_forms_are_the_same_keyring() {
        let keys = ["a", "b"].map(|id| SiteKey::generate(id, 1_700_000_000).unwrap());
        let binary: Vec<u8> = keys.iter().flat_map(|key| key.public_binary().unwrap()).collect();
        let text = armored_keyring(&binary).unwrap();
        assert_eq!(binary_keyring(text.as_bytes()).unwrap(), binary);
        assert_eq!(binary_keyring(&binary).unwrap(), binary);
        assert_eq!(armored_keyring(text.as_bytes()).unwrap(), text);
        assert_eq!(Keyring::parse(text.as_bytes()).unwrap().fingerprints().len(), 2);
        let two = keys.iter().map(|key| key.public_armored().unwrap()).collect::<String>();
        assert_eq!(armored_keyring(two.as_bytes()).unwrap(), text);
        assert!(binary_keyring(b"nothing").is_err());
    }

    #[test]
    fn the_checksum_is_that_of_other_writers() {
        let key = SiteKey::generate("a", 1_700_000_000).unwrap();
        let theirs = key.public_armored().unwrap();
        let line = |text: &str| text.lines().find(|line| line.starts_with('=')).map(str::to_owned);
        let ours = armored_keyring(&key.public_binary().unwrap()).unwrap();
        assert_eq!(line(&ours), line(&theirs));
        assert_eq!(crc24(b""), 0x00b7_04ce);
    }
}
