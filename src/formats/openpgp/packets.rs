//! Walks over OpenPGP packets without stopping at one that cannot be parsed.

use pgp::errors::Error;
use pgp::packet::{Packet, PacketParser};
use pgp::types::Tag;

/// One packet: its type, and its content as far as the `pgp` crate understands it.
pub(super) struct ParsedPacket {
    pub(super) tag: Tag,
    pub(super) packet: Result<Packet, Error>,
}

/// Yields each packet of `bytes`; the `Err` item is a header that cannot be read, after which nothing follows.
pub(super) fn packets(bytes: &[u8]) -> impl Iterator<Item = Result<ParsedPacket, Error>> + '_ {
    let mut parser = PacketParser::new(bytes);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let mut body = match parser.next_ref()? {
            Ok(body) => body,
            Err(error) => {
                broken = true;
                return Some(Err(error));
            }
        };
        let header = body.packet_header();
        Some(Ok(ParsedPacket { tag: header.tag(), packet: Packet::from_reader(header, &mut body) }))
    })
}
