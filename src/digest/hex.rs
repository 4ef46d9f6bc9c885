//! Hexadecimal digests, as all formats here write them: in lower case.

/// Reads exactly so many bytes from lower-case hexadecimal digits.
pub(crate) fn from_lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = text.len() == 2 * N && !text.bytes().any(|digit| digit.is_ascii_uppercase());
    is_lower.then(|| const_hex::decode_to_slice(text, &mut bytes).ok())?.map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(from_lower_hex("00ff"), Some([0, 255]));
        for bad in ["", "0", "00", "00f", "00fff", "00FF", "0x00", "0x00ff", "00fg", " 0ff", "+0ff", "\u{e9}ff"] {
            assert_eq!(from_lower_hex::<2>(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn digits_come_back_as_the_bytes_that_were_written(bytes: [u8; 20]) {
            prop_assert_eq!(from_lower_hex(&const_hex::encode(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_read_as_it_would_be_written(text in "[0-9a-fA-Fxg]{4}|\\PC{0,6}") {
            if let Some(bytes) = from_lower_hex::<2>(&text) {
                prop_assert_eq!(const_hex::encode(bytes), text);
            }
        }
    }
}
