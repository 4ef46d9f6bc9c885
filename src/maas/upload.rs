//! Uploads an image: a resource is made, then its file is sent in pieces, in their order.
//!
//! MAAS appends what comes and says nowhere exactly how much it has, so what broke off begins anew with a new resource set. With
//! the last piece MAAS compares the SHA-256; afterwards it is asked what it has.

use std::fs::File;
use std::io::Read as _;

use super::MaasError;
use super::answers::Resource;
use super::client::{MaasClient, MaasReply};
use super::plan::is_whole;
use super::wait::{Wait, WaitLimits};
use super::wanted::WantedUpload;
use crate::error_class::Fault;
use crate::progress::Progress;
use crate::storage::FileError;

/// The size of a piece in bytes, which MAAS's own client sends too.
const PIECE_BYTES: u64 = 4 << 20;
/// How often an upload that breaks off is begun.
const ATTEMPTS: usize = 3;

/// Uploads the image, and waits until MAAS has it.
pub(super) fn upload(
    client: &MaasClient,
    wanted: &WantedUpload,
    limits: WaitLimits,
    progress: &Progress,
) -> Result<(), MaasError> {
    let progress = progress.phase(&format!("uploading {}", wanted.name), wanted.size);
    let mut attempts = 1;
    let id = loop {
        match send(client, wanted, &progress) {
            Err(MaasError::Http(_) | MaasError::Status { status: 500.., .. }) if attempts < ATTEMPTS => {
                attempts += 1;
                progress.message(&format!("it broke off: attempt {attempts} of {ATTEMPTS}"));
            }
            sent => break sent?,
        }
    };
    let mut wait = Wait::new(limits.import);
    loop {
        // Between the last piece and this, MAAS hands the file on to its other regions.
        let resource: Resource = client.get(&format!("boot-resources/{id}/"))?;
        if is_whole(&resource, wanted) {
            progress.finish();
            return Ok(());
        }
        if !wait.again() {
            let (name, seconds) = (&wanted.name, limits.import.as_secs());
            return Err(Fault::failed(format!(
                "MAAS took all of {name}, but has not made it complete within {seconds} s: look at its logs, then run again"
            ))
            .into());
        }
    }
}

/// Makes the resource and sends its file; returns its number.
fn send(client: &MaasClient, wanted: &WantedUpload, progress: &Progress) -> Result<u64, MaasError> {
    let refused = |answer: String| {
        let hint = match answer.contains("\"architecture\"") {
            true => "; it takes one only for an architecture of which it has imported an image of Ubuntu",
            false => "",
        };
        Fault::failed(format!("MAAS refuses the upload of {}: {answer}{hint}", wanted.name))
    };
    let made: Resource = client.create("boot-resources/", wanted.form())?.map_err(refused)?;
    let file = made.newest().and_then(|set| set.files.values().next());
    // MAAS that knows the bytes already wants none.
    let Some(uri) = file.map(|file| file.upload_uri.clone()).filter(|uri| !uri.is_empty()) else { return Ok(made.id) };
    let unreadable = FileError::on::<MaasError>;
    let mut image = File::open(&wanted.path).map_err(unreadable("open", &wanted.path))?;
    let mut sent: u64 = 0;
    loop {
        let mut piece = Vec::new();
        image.by_ref().take(PIECE_BYTES).read_to_end(&mut piece).map_err(unreadable("read", &wanted.path))?;
        if piece.is_empty() {
            return Ok(made.id);
        }
        let length = piece.len() as u64;
        match client.put_piece(&uri, piece)? {
            MaasReply::Done => {}
            MaasReply::No(answer) => return Err(refused(answer).into()),
        }
        sent += length;
        // What is sent once more counts once.
        progress.add(sent.saturating_sub(progress.done_bytes()));
    }
}
