//! `gapferry push`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::site::{Pushes, push};

/// Hand exports that the Enterprise Store on this machine does not have yet on to it
///
/// `import` does this by itself at its end; this tries again what failed then. Which program is called and where the files
/// are placed stands in site.toml under [enterprise-store].
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sudo gapferry push --site /srv/gapferry")]
pub(super) struct PushArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
}

pub(super) fn run(args: &PushArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    if site.config.enterprise_store.is_none() {
        let file = args.site.join("site.toml");
        return Err(Failure::usage(format!("there is no [enterprise-store] in {}", file.display())));
    }
    let pushes = push(&site)?;
    all_pushed(&pushes, &args.site)?;
    if pushes.pushed.is_empty() {
        let what = "there is nothing to push: the Enterprise Store has been given all exports that the site publishes";
        return Err(Fault::new(ErrorClass::NothingNew, what).into());
    }
    out.done(json!({ "pushed": pushes.pushed }), &render(&pushes));
    Ok(())
}

/// The pushes for people.
pub(super) fn render(pushes: &Pushes) -> String {
    pushes.pushed.iter().map(|file| format!("pushed {file}\n")).collect()
}

/// The failure, if something was not pushed.
pub(super) fn all_pushed(pushes: &Pushes, site: &Path) -> Result<(), Failure> {
    match pushes.failed.is_empty() {
        true => Ok(()),
        false => {
            let (failed, command) = (pushes.failed.len(), next_command::push(site));
            let all = failed + pushes.pushed.len();
            let reasons: Vec<String> = pushes.failed.iter().map(|(file, why)| format!("{file}: {why}")).collect();
            Err(Fault::failed(format!(
                "{failed} of {all} exports were not taken by the Enterprise Store, and are tried again at the next import or by \
                 `{command}`: {}",
                reasons.join("; ")
            ))
            .into())
        }
    }
}
