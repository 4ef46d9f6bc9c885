//! `gapferry setup`.

mod args;

use std::path::Path;

use serde_json::{Value, json};

use self::args::What;
use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::maas::wanted;
use crate::setup::{Certificates, Facts, HostName, ServeUrl, SetupError, SetupFile};
use crate::setup::{apache, apt, cloud_init, dns, feeds, maas, nginx, pro, snapd, user_data};
use crate::site::{Site, SiteError};
use crate::storage::modes;
use crate::storage::write_atomically;

/// Write what name servers, web servers, clients and MAAS need next, from what the site publishes
///
/// Nothing outside of --out is changed. docs/setup.md says what each text is checked by.
#[derive(Debug, clap::Args)]
pub(super) struct SetupArgs {
    #[command(subcommand)]
    what: What,
}

pub(super) fn run(args: SetupArgs, out: &Output) -> Result<(), Failure> {
    let (what, common, serve) = match &args.what {
        What::Dns(args) => ("dns", &args.common, None),
        What::Nginx(args) => ("nginx", &args.common, args.server.store_backend.as_ref()),
        What::Apache(args) => ("apache", &args.common, args.server.store_backend.as_ref()),
        What::Apt(args) => ("apt", &args.common, None),
        What::Snapd(args) => ("snapd", &args.common, None),
        What::CloudInit(args) => ("cloud-init", &args.common, None),
        What::UserData(args) => ("user-data", &args.common, None),
        What::Pro(args) => ("pro", &args.common, None),
        What::Feeds(args) => ("feeds", &args.common, None),
        What::Maas(args) => ("maas", &args.common, None),
    };
    if serve.is_some_and(ServeUrl::has_path) {
        return Err(Failure::usage("--store-backend must be an address without a path"));
    }
    let site = open_site(&common.site)?;
    let mut facts = Facts::collect(&site)?;
    if matches!(args.what, What::Dns(_) | What::Nginx(_) | What::Apache(_)) {
        let nameless = std::mem::take(&mut facts.nameless);
        facts.notes.extend(nameless);
    }
    if let What::UserData(args) = &args.what {
        let notes = user_data::notes(&facts, &args.chosen(None));
        facts.notes.extend(notes);
    }
    if let What::Pro(_) = &args.what {
        let notes = pro::notes(&facts);
        facts.notes.extend(notes);
    }
    let facts = facts;
    let files = files(&args.what, &site, &facts)?;
    facts.notes.iter().for_each(|text| note(&format!("note: {text}")));
    match &common.out {
        Some(path) => {
            common.carried.mount_check().output(path)?;
            written(what, &files, path, &facts, out)
        }
        None => {
            printed(what, &files, &facts, out);
            Ok(())
        }
    }
}

fn files(what: &What, site: &Site, facts: &Facts) -> Result<Vec<SetupFile>, SetupError> {
    let one = |name: &str, text: String| Ok(vec![SetupFile::new(name, text)]);
    match what {
        What::Dns(args) => dns::files(facts, args.server, own(args.serve_url.as_ref()), &args.address),
        What::Nginx(args) => one("gapferry-nginx.conf", nginx::config(facts, &args.server.chosen())?),
        What::Apache(args) => one("gapferry-apache.conf", apache::config(facts, &args.server.chosen())?),
        What::Apt(args) => {
            let keys = match &args.common.out {
                Some(path) if is_folder(path) => apt::Keys::Folder(&args.keyrings),
                _ => apt::Keys::Inline,
            };
            apt::files(facts, &args.packages.chosen(), &args.serve_url, keys)
        }
        What::Snapd(args) => {
            let authority = args.ca_cert.as_deref().map(Certificates::load).transpose()?;
            one("gapferry-snapd.sh", snapd::script(facts, args.serve_url.as_ref(), authority.as_ref())?)
        }
        What::CloudInit(args) => {
            let choice = cloud_init::CloudInitChoice {
                apt: args.packages.chosen(),
                serve_url: args.serve_url.clone(),
                replace_sources: args.replace_sources,
                ntp_servers: args.ntp_servers.clone(),
                authority: args.ca_cert.as_deref().map(Certificates::load).transpose()?,
            };
            one("gapferry-user-data.yaml", cloud_init::user_data(facts, &choice)?)
        }
        What::UserData(args) => {
            let authority = args.ca_cert.as_deref().map(Certificates::load).transpose()?;
            one("gapferry-user-data.yaml", user_data::user_data(facts, &args.chosen(authority))?)
        }
        What::Pro(args) => pro::files(facts, &args.chosen()),
        What::Feeds(args) => one("gapferry-feeds.sh", feeds::feeds_script(facts, &args.serve_url)?),
        What::Maas(args) => one("gapferry-maas.sh", maas::script(facts, &wanted(site, &args.choice.chosen())?)),
    }
}

fn own(serve_url: Option<&ServeUrl>) -> Option<HostName> {
    serve_url.and_then(ServeUrl::host)
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Several files are told apart by a line before each.
fn printed(what: &str, files: &[SetupFile], facts: &Facts, out: &Output) {
    let words = match files {
        [one] => one.text.clone(),
        many => many.iter().map(|file| format!("# ---- {} ----\n{}\n", file.name, file.text)).collect(),
    };
    let files: Vec<Value> = files.iter().map(|file| json!({ "name": file.name, "text": file.text })).collect();
    out.done(json!({ "what": what, "files": files, "notes": facts.notes }), &words);
}

fn written(what: &str, files: &[SetupFile], path: &Path, facts: &Facts, out: &Output) -> Result<(), Failure> {
    let into_folder = is_folder(path) || files.len() > 1;
    if into_folder {
        modes::create_public_folders(path).map_err(SiteError::io("create", path))?;
    }
    // A file is synced with its folder, which a bare name has none of.
    let path = &std::path::absolute(path).map_err(SiteError::io("find", path))?;
    let mut paths = Vec::new();
    for file in files {
        let path = if into_folder { path.join(&file.name) } else { path.to_owned() };
        write_atomically(&path, file.text.as_bytes(), 0o644)?;
        paths.push(path);
    }
    let words: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    out.done(json!({ "what": what, "written": paths, "notes": facts.notes }), &words);
    Ok(())
}
