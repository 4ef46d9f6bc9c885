//! What a MAAS should be like, from what the site publishes and what the operator chose.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use url::Url;

use super::MaasError;
use super::archives::{ArchiveChoice, Indexes, PublishedArchive, listed, repositories};
use super::error::{unusable_address, unusable_file};
use super::images::{MaasStream, best_first};
use super::plan::NO_PROXY;
use super::wanted::{LostArchives, Setting, WantedImage, WantedSource, WantedState, WantedUpload};
use crate::collection::{Collection, Publish};
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::openpgp::{MAX_KEYRING_BYTES, armored_keyring, binary_keyring};
use crate::formats::os_image::Via;
use crate::kind::{ClientProgram, Kind};
use crate::label::Label;
use crate::site::{Site, own_key};
use crate::storage::{FileError, read_capped};
use crate::time::Time;

/// What the operator chose.
#[derive(Clone, Debug, Default)]
pub struct MaasChoice {
    /// Where `gapferry serve` answers for MAAS and its machines.
    pub serve_url: String,
    /// Collections of images that become boot sources, `os-images` being the stream of other operating systems; all if none
    /// is named.
    pub images: Vec<Label>,
    /// The archive for amd64 and i386; the only one that can be it if none is named.
    pub main_archive: Option<String>,
    /// The archive for the other architectures; the only one that can be it if none is named.
    pub ports_archive: Option<String>,
    /// Archives that are added though they are Debian's.
    pub repositories: Vec<String>,
    /// The fate of MAAS's own archives that point at what this site has ceased to publish.
    pub lost_archives: LostArchives,
    /// The proxy that machines use; none if they use none.
    pub http_proxy: Option<String>,
    /// Time servers; if none is named, MAAS's setting stays.
    pub ntp_servers: Vec<String>,
    /// DNS servers that MAAS asks; if none is named, MAAS's setting stays.
    pub upstream_dns: Vec<String>,
}

/// What a MAAS should be like.
pub fn wanted(site: &Site, choice: &MaasChoice) -> Result<WantedState, MaasError> {
    let serve_url = address(&choice.serve_url)?;
    let generation = site.current()?;
    let reader = SiteReader { site, folder: &site.generation_folder(generation.number), serve_url: &serve_url };
    let collections = site.collections(&generation)?;
    let mut wanted = WantedState { settings: settings(choice)?, ..WantedState::default() };
    let mut ubuntu = BTreeMap::new();
    let read_by = |program| collections.iter().filter(move |(collection, _)| collection.kind.client() == program);
    for (collection, verified) in read_by(ClientProgram::MaasStream) {
        if choice.images.is_empty() || choice.images.contains(&collection.source) {
            reader.add_source(collection, *verified, &mut wanted, &mut ubuntu)?;
        }
    }
    for (collection, verified) in read_by(ClientProgram::MaasUploads) {
        let streamed = collection.items.iter().filter_map(|item| item.details.os_image());
        let has_stream = streamed.into_iter().any(|image| image.via == Via::Stream);
        if has_stream && (choice.images.is_empty() || choice.images.contains(&collection.source)) {
            reader.add_source(collection, *verified, &mut wanted, &mut ubuntu)?;
        }
        wanted.uploads.extend(reader.uploads(collection)?);
    }
    let of_images = read_by(ClientProgram::MaasStream).chain(read_by(ClientProgram::MaasUploads));
    let of_images: Vec<&str> = of_images.map(|(collection, _)| collection.source.as_str()).collect();
    if let Some(name) = choice.images.iter().find(|name| !of_images.contains(&name.as_str())) {
        let published = listed(&of_images);
        let text = format!("--images {name}: no such images are published, but {published}");
        return Err(Fault::usage(text).into());
    }
    let archives =
        read_by(ClientProgram::Apt).map(|(collection, _)| reader.archive(collection)).collect::<Result<Vec<_>, _>>()?;
    let chosen = ArchiveChoice {
        main: choice.main_archive.as_deref(),
        ports: choice.ports_archive.as_deref(),
        also: &choice.repositories,
    };
    let (found, notes) = repositories(&archives, chosen)?;
    wanted.notes.extend(notes);
    wanted.repositories = found;
    wanted.commissioning = best_first(&ubuntu);
    wanted.serve_url = serve_url;
    wanted.lost_archives = choice.lost_archives;
    offered_once(&wanted.sources)?;
    Ok(wanted)
}

/// Refuses sources of which two have the same image: MAAS would take it from either.
fn offered_once(sources: &[WantedSource]) -> Result<(), MaasError> {
    let mut offered: BTreeMap<&WantedImage, &str> = BTreeMap::new();
    for source in sources {
        for image in source.images.keys() {
            let Some(other) = offered.insert(image, &source.name) else { continue };
            let name = &source.name;
            let more = Kind::owner_of_source(name).map_or_else(String::new, |kind| {
                format!("; with via = \"upload\" in the selection, images of [[{kind}]] need no source")
            });
            return Err(Fault::usage(format!(
                "{other} and {name} both publish {image}, and MAAS would take it from either: choose with --images NAME{more}"
            ))
            .into());
        }
    }
    Ok(())
}

struct SiteReader<'a> {
    site: &'a Site,
    folder: &'a Path,
    serve_url: &'a str,
}

impl SiteReader<'_> {
    fn add_source(
        &self,
        collection: &Collection,
        verified: Time,
        wanted: &mut WantedState,
        ubuntu: &mut BTreeMap<String, String>,
    ) -> Result<(), MaasError> {
        let pinned = match collection.publish {
            Publish::Verbatim => self.site.keyring(collection.source.as_str())?,
            Publish::ReIndexed | Publish::Reprepro => None,
        };
        let folder = self.folder.join(collection.folder());
        let stream = MaasStream { folder, signed: pinned.as_ref().map(|keyring| (keyring, verified.unix())) };
        let offer = stream.offer()?;
        let name = collection.folder();
        for image in &offer.incomplete {
            wanted.notes.push(format!(
                "{name} lists more of {image} than is here, so MAAS could not import it: it is left out; publish the source \
                 re-indexed, or carry all of it"
            ));
        }
        if offer.lacks_bootloader {
            wanted.notes.push(format!("{name} lists bootloaders that are not here, and MAAS will complain of them"));
        }
        if offer.images.is_empty() {
            wanted.notes.push(format!("{name} has no image for MAAS, and is no boot source"));
            return Ok(());
        }
        if collection.publish == Publish::Verbatim && pinned.is_none() {
            wanted.notes.push(format!("{name} is signed by nobody, and MAAS takes no such source: it is left out"));
            return Ok(());
        }
        ubuntu.extend(offer.ubuntu);
        let keyring = self.keyring(collection, "gpg", binary_keyring)?;
        let url = format!("{}/{name}/", self.serve_url);
        wanted.sources.push(WantedSource { name: collection.source.to_string(), url, keyring, images: offer.images });
        Ok(())
    }

    /// The images that no stream can tell MAAS of.
    fn uploads(&self, collection: &Collection) -> Result<Vec<WantedUpload>, MaasError> {
        let folder = self.folder.join(collection.folder());
        let folder = std::path::absolute(&folder).map_err(FileError::on::<MaasError>("find", &folder))?;
        let mut uploads = Vec::new();
        for item in &collection.items {
            let Some(image) = item.details.os_image().filter(|image| image.via == Via::Upload) else { continue };
            let (path, sha256) = (folder.join(&item.file), collection.blob(&item.file));
            let size = fs::metadata(&path).map_err(FileError::on::<MaasError>("read", &path))?.len();
            uploads.extend(sha256.map(|sha256| WantedUpload {
                name: image.name(),
                resource: image.uploaded_name(),
                architecture: format!("{}/generic", item.architecture),
                title: image.title.clone(),
                filetype: image.filetype.as_str().to_owned(),
                base_image: image.base_image.clone(),
                sha256,
                size,
                path,
            }));
        }
        Ok(uploads)
    }

    fn archive(&self, collection: &Collection) -> Result<PublishedArchive, MaasError> {
        let key = match collection.publish {
            Publish::Verbatim if !self.site.keyring_path(collection.source.as_str()).try_exists().unwrap_or(true) => {
                String::new()
            }
            _ => self.keyring(collection, "asc", armored_keyring)?,
        };
        Ok(PublishedArchive {
            name: collection.name.to_string(),
            url: format!("{}/{}", self.serve_url, collection.folder()),
            key,
            publishers: collection.items.iter().map(|item| item.publisher.clone()).collect(),
            indexes: Indexes::find(&self.folder.join(collection.folder()), collection),
        })
    }

    /// Who signs the collection as it is published, in the form that `form` gives it.
    fn keyring<T>(
        &self,
        collection: &Collection,
        extension: &str,
        form: impl Fn(&[u8]) -> Result<T, Invalid>,
    ) -> Result<T, MaasError> {
        let path = match collection.publish {
            Publish::Verbatim => self.site.keyring_path(collection.source.as_str()),
            anew => self.folder.join(own_key(self.folder, anew)).with_extension(extension),
        };
        let bytes = read_capped(&path, MAX_KEYRING_BYTES)?;
        form(&bytes).map_err(|error| unusable_file(&path, error))
    }
}

/// What an air gap asks of MAAS: nothing is fetched from outside, nothing is told to it, and names are not checked against
/// keys that cannot be had.
fn settings(choice: &MaasChoice) -> Result<BTreeMap<String, Setting>, MaasError> {
    let mut settings = vec![
        ("boot_images_auto_import", Setting::Switch(true)),
        (NO_PROXY, Setting::Switch(true)),
        ("dnssec_validation", Setting::Text("no".to_owned())),
        ("enable_analytics", Setting::Switch(false)),
        ("enable_http_proxy", Setting::Switch(choice.http_proxy.is_some())),
        ("enable_third_party_drivers", Setting::Switch(false)),
        ("release_notifications", Setting::Switch(false)),
    ];
    if let Some(proxy) = &choice.http_proxy {
        settings.push(("http_proxy", Setting::Text(address(proxy)?)));
    }
    for (name, words) in [("ntp_servers", &choice.ntp_servers), ("upstream_dns", &choice.upstream_dns)] {
        if let Some(bad) = words.iter().find(|word| word.is_empty() || word.contains([' ', ',', '\n'])) {
            return Err(unusable_address(bad, "a host name or an address"));
        }
        if !words.is_empty() {
            settings.push((name, Setting::Words(words.clone())));
        }
    }
    Ok(settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// An address of http or https without a slash at its end.
fn address(text: &str) -> Result<String, MaasError> {
    let refuse = || unusable_address(&crate::terminal::without_password(text), "http://HOST or http://HOST:PORT");
    let url = Url::parse(text).map_err(|_| refuse())?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    match matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && plain {
        true => Ok(url.as_str().trim_end_matches('/').to_owned()),
        false => Err(refuse()),
    }
}
