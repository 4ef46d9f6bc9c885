//! `gapferry list-images`.

use std::path::PathBuf;

use serde_json::json;
use url::Url;

use super::access::AccessOptions;
use super::error::Failure;
use super::output::{Output, note};
use crate::collect::CollectError;
use crate::collect::images::offer::{ImageOffer, offers};
use crate::collect::images::stream;
use crate::collect::keyring::read_keyring;
use crate::fetch::{FetchOptions, Fetcher};
use crate::formats::simplestreams::{Filter, split_url};
use crate::terminal::safe;
use crate::time::Time;
use crate::units::Bytes;

/// Show what images an upstream offers, in the words that a selection's filter needs
///
/// For each release and architecture, or bootloader: its newest version, how many there are, the size of the newest one, and
/// its kernels.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    gapferry list-images http://images.maas.io/ephemeral-v3/stable --keyring /usr/share/keyrings/ubuntu-cloudimage-keyring.gpg\n  \
    gapferry list-images http://images.maas.io/ephemeral-v3/stable --keyring cloudimage.gpg arch=amd64 'release~(jammy|noble)'")]
pub(super) struct ListImagesArgs {
    /// Root of the stream, or its index
    url: Url,
    /// Only what all of these hold for: key=value, key!=value, key~regex, key!~regex
    filter: Vec<Filter>,
    /// Who must have signed it
    #[arg(long, value_name = "FILE", required_unless_present = "allow_unsigned")]
    keyring: Option<PathBuf>,
    /// Take a stream that nobody signed
    #[arg(long, conflicts_with = "keyring")]
    allow_unsigned: bool,
    /// Certificates to trust for https besides the platform's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    access: AccessOptions,
}

pub(super) fn run(args: &ListImagesArgs, out: &Output) -> Result<(), Failure> {
    let mut notes = Vec::new();
    let access = args.access.access(&split_url(&args.url).0, &mut notes)?;
    notes.iter().for_each(|text| note(&format!("note: {text}")));
    let options = FetchOptions { ca_file: args.ca_file.clone(), access, ..FetchOptions::default() };
    let fetcher = Fetcher::new(options).map_err(CollectError::from)?;
    let keyring = args.keyring.as_deref().map(read_keyring).transpose()?;
    let stream = stream::fetch(&args.url, keyring.as_ref(), stream::StreamForms::First, &fetcher, Time::now())?;
    stream.notes.iter().for_each(|text| note(&format!("note: {text}")));
    let offers = offers(&stream.lists, &args.filter);
    let signers: Vec<&str> = stream.index.signers.iter().map(|signer| signer.fingerprint.as_str()).collect();
    let value = json!({ "images": offers, "updated": stream.index.updated, "signed_by": signers });
    out.done(value, &render(&offers));
    Ok(())
}

/// One line per offer, in columns.
fn render(offers: &[ImageOffer]) -> String {
    if offers.is_empty() {
        return "the stream has nothing for which all of that holds\n".to_owned();
    }
    let rows: Vec<[String; 7]> = offers.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(offer: &ImageOffer) -> [String; 7] {
    let tag = |key: &str, value: &str| match value {
        "" => String::new(),
        value => safe(&format!("{key}={value}")).to_string(),
    };
    let (newest, size) = offer.newest();
    let versions = match offer.versions.len() {
        1 => "1 version".to_owned(),
        count => format!("{count} versions"),
    };
    let kernels = offer.kernels.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    [
        tag("os", &offer.os),
        tag("release", &offer.release),
        tag("arch", &offer.arch),
        safe(newest).to_string(),
        versions,
        Bytes(size).to_string(),
        safe(&kernels).to_string(),
    ]
}
