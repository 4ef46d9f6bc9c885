//! What MAAS wants of a stream.
//!
//! MAAS 3.8 reads a products file as a whole and refuses all of a source if one image in it lacks something, so this is
//! looked at before anything is signed. The rules are those of `maasservicelayer/simplestreams/models.py` in MAAS 3.8, which
//! demand more than the readers of 3.6 and 3.7; which bootloaders count stands in `maasserver/bootresources.py`.

use super::products::ProductItem;

/// The kinds of image that MAAS knows. It wants one kind in each products file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaasImageKind {
    /// A root file system with a kernel and an initrd: Ubuntu.
    Kernels,
    /// One archive or disk image: CentOS, RHEL, Windows.
    SingleFile,
    /// What a machine loads first.
    Bootloader,
}

/// Tags of an operating system's image.
const SYSTEM_TAGS: [&str; 8] = ["arch", "label", "os", "release", "release_title", "subarch", "subarches", "version"];
/// Tags of a bootloader.
const BOOTLOADER_TAGS: [&str; 5] = ["arch", "arches", "bootloader-type", "label", "os"];
/// Tags of every item of a bootloader.
const SOURCE_TAGS: [&str; 3] = ["src_package", "src_release", "src_version"];
/// Tags of every item.
const FILE_TAGS: [&str; 4] = ["ftype", "path", "sha256", "size"];
/// The item of a single-file image; its `ftype` may be another.
const ROOT_TGZ: &str = "root-tgz";
/// The bootloaders that MAAS takes: os, arch and bootloader-type. Of pxelinux it is i386 alone, for every BIOS machine.
const BOOTLOADERS: [[&str; 3]; 4] = [
    ["pxelinux", "i386", "pxe"],
    ["grub-efi-signed", "amd64", "uefi"],
    ["grub-efi", "arm64", "uefi"],
    ["grub-ieee1275", "ppc64el", "open-firmware"],
];

/// The values of `datatype` that MAAS knows.
pub const DATATYPES: [&str; 2] = ["image-ids", "image-downloads"];

impl MaasImageKind {
    /// The shape of a version, judged by all items that upstream has in it; none for what is not MAAS's.
    pub fn of(items: &[ProductItem<'_>]) -> Option<Self> {
        let has = |name: &str| items.iter().any(|item| item.name == name);
        if items.iter().any(|item| item.tag("bootloader-type").is_some()) {
            Some(Self::Bootloader)
        } else if has(ROOT_TGZ) {
            Some(Self::SingleFile)
        } else if has("boot-kernel") || has("boot-initrd") {
            Some(Self::Kernels)
        } else {
            None
        }
    }

    /// What it is called, where a products file of mixed shapes must be split.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kernels => "kernels",
            Self::SingleFile => "single-file",
            Self::Bootloader => "bootloaders",
        }
    }

    /// What MAAS misses in a version of this shape that has these items.
    pub fn lacks(self, items: &[ProductItem<'_>]) -> Option<String> {
        let named = |names: &[&str]| items.iter().any(|item| names.contains(&item.name));
        let item = |names: &'static [&'static str]| (!named(names)).then(|| format!("the item {}", names.join(" or ")));
        let (tags, missing): (&[&str], _) = match self {
            Self::Kernels => (
                &SYSTEM_TAGS,
                item(&["boot-initrd"])
                    .or_else(|| item(&["boot-kernel"]))
                    .or_else(|| item(&["manifest"]))
                    .or_else(|| item(&["squashfs", "root-image.gz"])),
            ),
            Self::SingleFile => (&SYSTEM_TAGS, item(&[ROOT_TGZ]).or_else(|| item(&["manifest"]))),
            Self::Bootloader => (&BOOTLOADER_TAGS, item(&["grub2-signed", "shim-signed", "grub2", "syslinux"])),
        };
        let each = FILE_TAGS.iter().chain(SOURCE_TAGS.iter().filter(|_| self == Self::Bootloader));
        let lacking = |tag: &&&str| items.iter().any(|item| item.tag(tag).is_none());
        missing.or_else(|| tags.iter().chain(each).find(lacking).map(|tag| format!("the tag {tag}")))
    }
}

/// Whether the item belongs to a bootloader that MAAS takes. It takes all of them, whatever else is selected.
pub fn is_bootloader(item: &ProductItem<'_>) -> bool {
    let own = ["os", "arch", "bootloader-type"].map(|tag| item.text(tag));
    BOOTLOADERS.iter().any(|known| *known == own)
}

#[cfg(test)]
mod tests {
    use super::super::Products;
    use super::*;

    const FILE: &str = r#""ftype": "f", "path": "p", "size": 1, "sha256": "s", "src_package": "a", "src_release": "b", "src_version": "c""#;

    /// Judges a version with these tags and items.
    fn judge(tags: &str, items: &[&str]) -> (Option<MaasImageKind>, Option<String>) {
        let tags: Vec<String> = tags.split_whitespace().map(|tag| format!("\"{tag}\": \"x\"")).collect();
        let items: Vec<String> = items.iter().map(|name| format!("\"{name}\": {{{FILE}}}")).collect();
        let text = format!(
            r#"{{"format": "products:1.0", "products": {{"p": {{"versions": {{"1": {{{}, "items": {{{}}}}}}}}}}}}}"#,
            tags.join(","),
            items.join(",")
        );
        let products = Products::parse(text.as_bytes()).unwrap();
        let items: Vec<ProductItem<'_>> = products.items().collect();
        let shape = MaasImageKind::of(&items);
        (shape, shape.and_then(|shape| shape.lacks(&items)))
    }

    #[test]
    fn each_shape_lacks_what_is_taken_away() {
        let system = SYSTEM_TAGS.join(" ");
        let bootloader = BOOTLOADER_TAGS.join(" ");
        let kernels = ["boot-initrd", "boot-kernel", "manifest", "squashfs"];
        for (shape, tags, items) in [
            (MaasImageKind::Kernels, &system, &kernels[..]),
            (MaasImageKind::SingleFile, &system, &["root-tgz", "manifest"]),
            (MaasImageKind::Bootloader, &bootloader, &["syslinux"]),
        ] {
            assert_eq!(judge(tags, items), (Some(shape), None));
            for tag in tags.split_whitespace().filter(|tag| *tag != "bootloader-type") {
                let rest: Vec<&str> = tags.split_whitespace().filter(|other| *other != tag).collect();
                assert_eq!(judge(&rest.join(" "), items), (Some(shape), Some(format!("the tag {tag}"))));
            }
            for name in items.iter().filter(|_| shape != MaasImageKind::Bootloader) {
                let rest: Vec<&str> = items.iter().copied().filter(|other| other != name).collect();
                let (found, lack) = judge(tags, &rest);
                assert!(found.is_none() || lack.is_some_and(|lack| lack.contains(name)), "{name}");
            }
        }
        assert_eq!(judge(&system, &["disk1.img"]), (None, None));
    }
}
