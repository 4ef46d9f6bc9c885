//! The differences between versions of MAAS that `gapferry maas apply` meets: the one table that the tests' MAAS goes by.

/// A version of MAAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V3_5,
    V3_6,
    V3_7,
    V3_8,
}

/// All of them.
pub(super) const ALL: [Version; 4] = [Version::V3_5, Version::V3_6, Version::V3_7, Version::V3_8];

/// When MAAS reads a boot source by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of them when one is saved or deleted, except that saving the first one makes it read none.
    AllButForTheFirst,
    /// Each when it is saved.
    Each,
}

/// The fate of a boot source that cannot be reached, besides the notice for all users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    Stays,
    IsDisabled,
}

/// By what MAAS imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Imports {
    /// By the selections that the API shows, of all sources in a loop.
    Selections,
    /// By a table of its own with a row for each architecture, to which a PUT only adds.
    Rows,
}

/// The behaviour of one version.
#[derive(Debug)]
pub(super) struct Behaviour {
    /// The answer to `version/`.
    pub(super) version: &'static str,
    /// Twisted 24.3 and later, which the snap has since its base is core24, refuses forms without a part.
    pub(super) refuses_empty_forms: bool,
    /// Sources have `name`, `priority`, `enabled` and `skip_keyring_verification`, lose the slash at the end of their address, and
    /// a PUT to one with `keyring_data` needs that again: without it MAAS answers with status 500.
    pub(super) has_source_fields: bool,
    pub(super) reading: Reading,
    pub(super) unreachable: Unreachable,
    pub(super) imports: Imports,
    /// The first import sets `default_distro_series` if there is no image of what it says.
    pub(super) import_sets_default: bool,
    /// Custom images keep `custom/` in their name.
    pub(super) keeps_custom: bool,
}

const OLD: Behaviour = Behaviour {
    version: "3.5.9",
    refuses_empty_forms: false,
    has_source_fields: false,
    reading: Reading::AllButForTheFirst,
    unreachable: Unreachable::Stays,
    imports: Imports::Selections,
    import_sets_default: false,
    keeps_custom: false,
};

const TABLE: [(Version, Behaviour); 4] = [
    (Version::V3_5, OLD),
    (Version::V3_6, Behaviour { version: "3.6.5", refuses_empty_forms: true, import_sets_default: true, ..OLD }),
    (Version::V3_7, Behaviour { version: "3.7.3", refuses_empty_forms: true, ..OLD }),
    (
        Version::V3_8,
        Behaviour {
            version: "3.8.0~alpha1",
            refuses_empty_forms: true,
            has_source_fields: true,
            reading: Reading::Each,
            unreachable: Unreachable::IsDisabled,
            imports: Imports::Rows,
            import_sets_default: false,
            keeps_custom: true,
        },
    ),
];

impl Version {
    pub(super) fn behaviour(self) -> &'static Behaviour {
        const TABLE_OF_ALL: &[(Version, Behaviour)] = &TABLE;
        &TABLE_OF_ALL.iter().find(|(version, _)| *version == self).unwrap().1
    }
}
