//! `site.toml`: what a site is called and what it allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::serve_config::Serve;
use super::{EnterpriseStore, EvidenceSettings, RepreproKey, SiteError};
use crate::error_class::Fault;
use crate::formats::apt::suite_name::SuiteName;
use crate::label::Label;

/// What `site.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SiteConfig {
    /// The site's name; only bundles made for it are accepted.
    pub name: Label,
    /// What the site allows beyond the strict defaults.
    #[serde(default)]
    pub policy: Policy,
    /// The Enterprise Store on this machine that exports are handed on to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_store: Option<EnterpriseStore>,
    /// The time for which evidence on bundles is kept.
    #[serde(default, skip_serializing_if = "EvidenceSettings::is_default")]
    pub evidence: EvidenceSettings,
    /// Whose key signs what reprepro publishes, where it is not the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprepro: Option<RepreproKey>,
    /// Under which names it answers besides those of what is published.
    #[serde(default, skip_serializing_if = "Serve::is_default")]
    pub serve: Serve,
}

/// What a site allows beyond the strict defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Sources whose items need no proof by upstream, such as a folder of own .debs. By source and not by kind, so that
    /// a builder cannot pass unsigned packages off as those of a source that is signed.
    #[serde(default)]
    pub allow_unsigned: BTreeSet<Label>,
    /// Sources whose items without proof may have other bytes than before under the same name and version.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow_changed: BTreeSet<Label>,
    /// By source and suite, the Suite or Codename that upstream is known to sign instead of the suite's own name; empty if it
    /// signs none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signed_as: BTreeMap<Label, BTreeMap<SuiteName, String>>,
}

impl SiteConfig {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, SiteError> {
        let text = fs::read_to_string(path).map_err(SiteError::io("read", path))?;
        let bad = |reason| Fault::usage(format!("{} is wrong: {reason}", path.display()));
        let config: Self = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        config.serve.check().map_err(bad)?;
        config.reprepro.iter().try_for_each(RepreproKey::check).map_err(bad)?;
        Ok(config)
    }

    /// The file's text for a new site.
    pub fn to_text(&self) -> String {
        format!(
            "# The site's name: only bundles made for it are accepted.\nname = \"{}\"\n\n[policy]\n\
             # Sources whose items need no proof by upstream, such as a folder of own .debs.\nallow-unsigned = [{}]\n\
             # Those of them whose items may have other bytes than before under the same version.\n# allow-changed = []\n\n\
             # An Enterprise Store on this machine, which `import` hands exports on to.\n# [enterprise-store]\n\
             # program = \"enterprise-store\"\n# folder = \"/var/snap/enterprise-store/common/snaps-to-push\"\n\n\
             # A key of your own for what reprepro publishes, instead of the site's.\n# [reprepro]\n\
             # sign-with = \"FINGERPRINT\"\n# gnupg-home = \"/root/.gnupg\"\n\n\
             # The days for which `gc` keeps evidence on bundles, after the site used them last; without it 365.\n# [evidence]\n\
             # keep-days = 1825\n\n\
             # Further addresses of a collection, beside that of its upstream.\n# [[serve.alias]]\n\
             # url = \"http://archive.ubuntu.com/ubuntu\"\n# collection = \"apt/ubuntu\"\n",
            self.name,
            self.policy.allow_unsigned.iter().map(|s| format!("\"{s}\"")).collect::<Vec<_>>().join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_text_is_read_back() {
        let allow_unsigned = BTreeSet::from(["own".parse().unwrap(), "tools".parse().unwrap()]);
        let policy = Policy { allow_unsigned, ..Policy::default() };
        let config = SiteConfig {
            name: "dc1".parse().unwrap(),
            policy,
            enterprise_store: None,
            evidence: EvidenceSettings::default(),
            reprepro: None,
            serve: Serve::default(),
        };
        assert_eq!(toml::from_str::<SiteConfig>(&config.to_text()).unwrap(), config);
        assert!(toml::from_str::<SiteConfig>("name = \"dc1\"\nnmae = 1").is_err());
    }
}
