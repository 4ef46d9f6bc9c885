//! `POST /api/v1/snaps/auth/…`: what a device with a serial insists on having before it asks for anything.
//!
//! This store is open to all who reach it and asks nobody who they are: the nonce is no secret, and the session authorises
//! nothing. What a device installs is vouched for by assertions alone.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A nonce, which is never looked at again.
pub fn nonce() -> Value {
    json!({ "nonce": "gapferry" })
}

/// A session that authorises nothing, in the shape of a macaroon (libmacaroons' format 1), with a signature of zeros.
pub fn session() -> Value {
    let packets =
        [packet("location", b"gapferry"), packet("identifier", b"authorises nothing"), packet("signature", &[0; 32])];
    json!({ "macaroon": BASE64_URL_SAFE_NO_PAD.encode(packets.concat()) })
}

/// Its length with itself as four hexadecimal digits, a name, a space, the value, and a line break.
fn packet(name: &str, value: &[u8]) -> Vec<u8> {
    let length = 4 + name.len() + 1 + value.len() + 1;
    [format!("{length:04x}{name} ").as_bytes(), value, b"\n"].concat()
}
