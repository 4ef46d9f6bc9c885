//! A bundle as a stream. As it comes, it does not get beyond the signatures. So its texts and its volume are also wrapped into a
//! stream that a builder signed and whose digests are right: then every parser sees them. At last a byte of that stream changes.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use gapferry::bundle::BundleError;
use gapferry::bundle::bundle_stream::BundleStream;
use gapferry::bundle::layout::{TRAILER, header, padding};
use gapferry::bundle::packing::PackingParameters;
use gapferry::bundle::packing::unpack::{CheckOnly, unpack_stream};
use gapferry::bundle::state::SignedState;
use gapferry::digest::Sha256;
use gapferry::progress::Progress;
use gapferry::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, SecretKey, sign};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static BUILDER: LazyLock<SecretKey> = LazyLock::new(SecretKey::generate);

/// The largest content of a frame of one block (RFC 8878, section 3.1.1.2.4).
const BLOCK_BYTES: usize = 128 << 10;

// The input: the place of a change in four bytes, then an item list, a volume index and a volume, with 0xff between them.
fuzz_target!(|input: &[u8]| {
    let Some((changed, rest)) = input.split_first_chunk::<4>() else { return };
    let _ = receive(rest.to_vec());
    let mut parts = rest.splitn(3, |byte| *byte == 0xff);
    let (Some(items), Some(index), Some(volume)) = (parts.next(), parts.next(), parts.next()) else { return };
    if items.len().max(index.len()) > BLOCK_BYTES {
        return;
    }
    let (mut stream, checked) = wrap(items, index, volume);
    let is_good = receive(stream.clone()).is_ok();
    let at = u32::from_le_bytes(*changed) as usize % checked;
    stream[at] ^= 1;
    assert!(!is_good || receive(stream).is_err(), "byte {at} decides nothing");
});

/// Reads a stream as an import does, to the end of its last packing.
fn receive(bytes: Vec<u8>) -> Result<(), BundleError> {
    let (stream, scratch) = (BundleStream::new(Box::new(Cursor::new(bytes))), std::env::temp_dir());
    stream.trust_files();
    let state = SignedState::receive(&stream)?.trusted(|_| Ok::<_, BundleError>(()))?;
    stream.approvals()?;
    let (lists, blobs) = state.check_lists(stream.lists(&state.manifest, &scratch)?, |_, _| Ok(()))?;
    while let Some(packing) = state.next_packing(&stream, |_| Ok(()))? {
        unpack_stream(&stream, &packing, &mut lists.walk(&blobs), &CheckOnly, &scratch, &Progress::hidden())?;
    }
    Ok(())
}

/// A stream with one item list and one volume, and the number of its bytes that are checked.
fn wrap(items: &[u8], index: &[u8], volume: &[u8]) -> (Vec<u8>, usize) {
    let lines = items.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let sizes: Vec<u64> = lines.filter_map(|line| line["size"].as_u64()).collect();
    let (list, named_list) = stored(items);
    let manifest = text(&json!({
        "collections": [{
            "bytes": sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size)), "files": sizes.len(), "kind": "files",
            "list": named_list, "name": "a", "publish": "re-indexed", "source": "own",
        }],
        "created": "2026-11-22T10:00:00Z", "epoch": 1, "expires": "2026-12-22T10:00:00Z", "format": 2,
        "generator": "fuzz", "name": "base", "sequence": 1, "site": "dc1",
    }));
    let (stored_index, named_index) = stored(index);
    let parameters = json!({ "bases": [], "manifest": Sha256::of(&manifest).to_hex(), "volume_size": 1 << 30 });
    let id: PackingParameters = serde_json::from_value(parameters.clone()).expect("parameters");
    let id = id.id().expect("an ID");
    let packing = text(&json!({
        "format": 2, "parameters": parameters, "verify": Sha256::of(b"").to_hex(),
        "volumes": [{ "index": named_index, "sha256": Sha256::of(volume).to_hex(), "size": volume.len() }],
    }));
    let signature = |namespace, text: &[u8]| sign(&BUILDER, namespace, text).expect("a signature").into_bytes();
    let below = |name: &str| format!("packings/{id}/{name}");
    let files = [
        ("manifest.json.sig".to_owned(), signature(MANIFEST_NAMESPACE, &manifest)),
        ("items/files-a.jsonl.zst".to_owned(), list),
        (below("packing.json.sig"), signature(PACKING_NAMESPACE, &packing)),
        (below("volume-001.idx"), stored_index),
    ];
    let [manifest_signature, list, packing_signature, index] = files;
    let mut stream = Vec::new();
    for (name, content) in [
        ("manifest.json".to_owned(), manifest),
        manifest_signature,
        list,
        (below("packing.json"), packing),
        packing_signature,
        index,
        (below("volume-001.tar"), volume.to_vec()),
    ] {
        stream.extend(header(&format!("dc1-base-000001/{name}"), content.len() as u64));
        stream.extend(&content);
        stream.resize(stream.len() + padding(content.len() as u64) as usize, 0);
    }
    let checked = stream.len() - padding(volume.len() as u64) as usize;
    stream.resize(stream.len() + TRAILER as usize, 0);
    (stream, checked)
}

fn text(value: &Value) -> Vec<u8> {
    (serde_json::to_string_pretty(value).expect("a text") + "\n").into_bytes()
}

/// A list as one frame with one raw block, and what names it.
fn stored(list: &[u8]) -> (Vec<u8>, Value) {
    let window = 0x38; // 128 KiB
    let block = ((list.len() as u32) << 3 | 1).to_le_bytes();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    frame.extend(&block[..3]);
    frame.extend(list);
    let named = json!({
        "sha256": Sha256::of(list).to_hex(), "size": list.len(),
        "stored": { "sha256": Sha256::of(&frame).to_hex(), "size": frame.len() },
    });
    (frame, named)
}
