//! Cuts and joins packets, for files that gpg itself would not make.

use pgp::armor::{self, BlockType};
use pgp::packet::{Packet, PacketParser, Signature, SignatureConfig, Subpacket, SubpacketData};
use pgp::ser::Serialize;

/// Bytes that the armor writer takes.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}

pub(super) fn armored(bytes: &[u8], kind: BlockType) -> String {
    let mut text = Vec::new();
    armor::write(&Raw(bytes), kind, &mut text, None, true).expect("armor");
    String::from_utf8(text).expect("UTF-8")
}

/// The packets of `bytes`, each through `change`; those that come back empty are dropped.
pub(super) fn rewrite(bytes: &[u8], mut change: impl FnMut(Packet) -> Option<Packet>) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in PacketParser::new(bytes) {
        if let Some(packet) = change(packet.expect("packet")) {
            packet.to_writer(&mut out).expect("write packet");
        }
    }
    out
}

/// A clear-signed message with signatures that need not be on its text. `headers` end in a newline, if there are any.
pub(super) fn clear_message(headers: &str, text: &str, signatures: &[u8]) -> String {
    let signature = armored(signatures, BlockType::Signature);
    format!("-----BEGIN PGP SIGNED MESSAGE-----\n{headers}\n{text}{signature}")
}

/// The signature packets of a clear-signed message.
pub(super) fn signatures_of(message: &str) -> Vec<u8> {
    let armor = &message[message.find("-----BEGIN PGP SIGNATURE").expect("signature")..];
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut armor::Dearmor::new(armor.as_bytes()), &mut bytes).expect("dearmor");
    bytes
}

/// Removes the back-signatures, which gpg keeps in the unsigned part.
pub(super) fn without_back_signature(packet: Packet) -> Option<Packet> {
    let Packet::Signature(mut signature) = packet else { return Some(packet) };
    while let Some(index) = unhashed(&signature).iter().position(is_back_signature) {
        signature.unhashed_subpacket_remove(index).expect("remove");
    }
    Some(signature.into())
}

fn is_back_signature(subpacket: &Subpacket) -> bool {
    matches!(subpacket.data, SubpacketData::EmbeddedSignature(_))
}

fn unhashed(signature: &Signature) -> &[Subpacket] {
    signature.config().map_or(&[], |config: &SignatureConfig| &config.unhashed_subpackets)
}
