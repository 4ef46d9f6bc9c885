//! The three kinds of products in MAAS's own stream: Ubuntu, bootloaders, and CentOS.
//!
//! Names, paths and tags are those of the real stream. All that MAAS 3.8's client requires is there, which is more than
//! earlier ones do.

use serde_json::{Value, json};

use super::{Stream, StreamItem, StreamVersion};

/// One serial of an Ubuntu release for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UbuntuSerial {
    /// Codename: `jammy`.
    pub release: String,
    /// Number: `22.04`.
    pub version: String,
    /// Debian architecture.
    pub arch: String,
    /// Name of the version: `20250718`.
    pub serial: String,
    /// Kernels, one product each: `ga-22.04`, `hwe-22.04`, `ga-22.04-lowlatency`, `hwe-22.04-edge`.
    pub kernels: Vec<String>,
    /// Size of the squashfs in bytes. It and its manifest are one file for all kernels.
    pub squashfs_bytes: u64,
    /// Size of each initrd in bytes.
    pub initrd_bytes: u64,
    /// Size of each kernel in bytes.
    pub kernel_bytes: u64,
}

impl UbuntuSerial {
    /// A serial with the release's own kernel, `ga-VERSION`, and files of a few kilobytes.
    pub fn new(release: &str, version: &str, arch: &str, serial: &str) -> Self {
        Self {
            release: release.into(),
            version: version.into(),
            arch: arch.into(),
            serial: serial.into(),
            kernels: vec![format!("ga-{version}")],
            squashfs_bytes: 20_000,
            initrd_bytes: 9_000,
            kernel_bytes: 5_000,
        }
    }

    /// The same with these kernels.
    pub fn kernels(mut self, kernels: &[&str]) -> Self {
        self.kernels = kernels.iter().map(|&kernel| kernel.into()).collect();
        self
    }

    /// Tags of the product of one kernel.
    fn tags(&self, label: &str, kernel: &Kernel) -> Value {
        let year = year(&self.version).unwrap_or(20);
        json!({
            "arch": self.arch,
            "kflavor": kernel.flavor,
            "krel": self.release,
            "label": label,
            "os": "ubuntu",
            "release": self.release,
            "release_codename": codename(&self.release),
            "release_title": title(&self.version),
            "subarch": kernel.name,
            "subarches": subarches(&self.version, kernel.name),
            "support_eol": format!("20{:02}-04-30", year + 5),
            "support_esm_eol": format!("20{:02}-04-30", year + 10),
            "version": self.version,
        })
    }

    fn items(&self, kernel: &Kernel) -> Vec<StreamItem> {
        let folder = format!("{}/{}/{}", self.release, self.arch, self.serial);
        let boot = |name: &str, size| StreamItem {
            tags: json!({ "kpackage": kernel.package() }),
            ..StreamItem::noise(name, &format!("{folder}/{}/{}/{name}", kernel.folder(), kernel.flavor), size)
        };
        vec![
            boot("boot-initrd", self.initrd_bytes),
            boot("boot-kernel", self.kernel_bytes),
            StreamItem::noise("squashfs", &format!("{folder}/squashfs"), self.squashfs_bytes),
            StreamItem::text("manifest", &format!("{folder}/squashfs.manifest")),
        ]
    }
}

/// What the name of a subarchitecture says: `SERIES[-lowlatency][-edge]`.
struct Kernel<'a> {
    name: &'a str,
    series: &'a str,
    flavor: &'static str,
    edge: &'static str,
}

impl<'a> Kernel<'a> {
    fn of(name: &'a str) -> Self {
        let (rest, edge) = name.strip_suffix("-edge").map_or((name, ""), |rest| (rest, "-edge"));
        let (series, flavor) =
            rest.strip_suffix("-lowlatency").map_or((rest, "generic"), |series| (series, "lowlatency"));
        Self { name, series, flavor, edge }
    }

    fn folder(&self) -> String {
        format!("{}{}", self.series, self.edge)
    }

    /// The Debian package that it comes from: `linux-generic`, `linux-lowlatency-hwe-22.04-edge`.
    fn package(&self) -> String {
        if self.series.starts_with("hwe-") {
            format!("linux-{}-{}{}", self.flavor, self.series, self.edge)
        } else {
            format!("linux-{}{}", self.flavor, self.edge)
        }
    }
}

/// A bootloader that MAAS accepts. It wants all four, whatever is selected.
struct Bootloader {
    os: &'static str,
    kind: &'static str,
    arch: &'static str,
    arches: &'static str,
    items: &'static [&'static str],
}

const SIGNED: &[&str] = &["grub2-signed", "shim-signed"];

const BOOTLOADERS: [Bootloader; 4] = [
    Bootloader { os: "pxelinux", kind: "pxe", arch: "i386", arches: "i386,amd64", items: &["syslinux"] },
    Bootloader { os: "grub-efi-signed", kind: "uefi", arch: "amd64", arches: "amd64", items: SIGNED },
    Bootloader { os: "grub-efi", kind: "uefi", arch: "arm64", arches: "arm64", items: SIGNED },
    Bootloader {
        os: "grub-ieee1275",
        kind: "open-firmware",
        arch: "ppc64el",
        arches: "ppc64el,ppc64",
        items: &["grub2"],
    },
];

/// Size of each bootloader archive in bytes.
const BOOTLOADER_BYTES: u64 = 3_000;

impl Bootloader {
    fn item(&self, name: &str, version: &str) -> StreamItem {
        let path = format!("bootloaders/{}/{}/{version}/{name}.tar.xz", self.kind, self.arch);
        StreamItem {
            ftype: "archive.tar.xz".into(),
            tags: json!({
                "src_package": name,
                "src_release": "jammy",
                "src_version": format!("1.0+{version}-0ubuntu1"),
            }),
            ..StreamItem::noise(name, &path, BOOTLOADER_BYTES)
        }
    }
}

impl Stream {
    /// Content id of the Ubuntu products.
    pub fn ubuntu_id(&self) -> String {
        format!("com.ubuntu.maas:{}:v3:download", self.label)
    }

    /// Content id of the bootloaders.
    pub fn bootloaders_id(&self) -> String {
        format!("com.ubuntu.maas:{}:1:bootloader-download", self.label)
    }

    /// Content id of the CentOS products.
    pub fn centos_id(&self) -> String {
        format!("com.ubuntu.maas:{}:centos-bases-download", self.label)
    }

    /// Adds one serial of an Ubuntu release, to a product for each of its kernels.
    pub fn ubuntu(&mut self, serial: &UbuntuSerial) -> &mut Self {
        let (content_id, label) = (self.ubuntu_id(), self.label.clone());
        for kernel in &serial.kernels {
            let name = format!("com.ubuntu.maas.{label}:v3:boot:{}:{}:{kernel}", serial.version, serial.arch);
            let kernel = Kernel::of(kernel);
            let version = StreamVersion::new(&serial.serial, serial.items(&kernel));
            self.product(&content_id, &name, serial.tags(&label, &kernel), version);
        }
        self
    }

    /// Adds a version, such as `20231004.0`, of each of the four bootloaders.
    pub fn bootloaders(&mut self, version: &str) -> &mut Self {
        let (content_id, label) = (self.bootloaders_id(), self.label.clone());
        for bootloader in &BOOTLOADERS {
            let Bootloader { os, kind, arch, arches, items } = bootloader;
            let name = format!("com.ubuntu.maas.{label}:1:{os}:{kind}:{arch}");
            let tags = json!({ "arch": arch, "arches": arches, "bootloader-type": kind, "label": label, "os": os });
            let items = items.iter().map(|item| bootloader.item(item, version)).collect();
            self.product(&content_id, &name, tags, StreamVersion::new(version, items));
        }
        self
    }

    /// Adds a serial, such as `20240622_01`, of a CentOS release: `centos70`, or as upstream calls the other one, `8`.
    pub fn centos(&mut self, release: &str, arch: &str, serial: &str) -> &mut Self {
        let digits = release.strip_prefix("centos").unwrap_or(release);
        let number = if digits == "70" { "7.0" } else { digits };
        let folder = format!("centos/{release}/{arch}/{serial}");
        let items = vec![
            StreamItem::noise("root-tgz", &format!("{folder}/root-tgz"), 15_000),
            StreamItem::text("manifest", &format!("{folder}/root-tgz.manifest")),
        ];
        let tags = json!({
            "arch": arch,
            "label": self.label,
            "os": "centos",
            "release": release,
            "release_title": format!("CentOS {}", number.trim_end_matches(".0")),
            "subarch": "generic",
            "subarches": "generic",
            "support_eol": "2029-05-31",
            "version": number,
        });
        let name = format!("com.ubuntu.maas.{}:centos-bases:{number}:{arch}", self.label);
        self.product(&self.centos_id(), &name, tags, StreamVersion::new(serial, items))
    }
}

fn year(version: &str) -> Option<u8> {
    version.split_once('.')?.0.parse().ok().filter(|year| *year < 90)
}

fn codename(release: &str) -> &str {
    match release {
        "focal" => "Focal Fossa",
        "jammy" => "Jammy Jellyfish",
        "noble" => "Noble Numbat",
        other => other,
    }
}

/// Every second April's release is supported for long.
fn title(version: &str) -> String {
    let long = year(version).is_some_and(|year| year % 2 == 0) && version.ends_with(".04");
    if long { format!("{version} LTS") } else { version.into() }
}

/// Names under which MAAS finds this kernel: those of the releases up to its own, and its own.
fn subarches(version: &str, kernel: &str) -> String {
    let mut names = "generic,hwe-p,hwe-q,hwe-r,hwe-s,hwe-t,hwe-u,hwe-v,hwe-w".to_owned();
    let releases = (16..=year(version).unwrap_or(0)).flat_map(|year| [4, 10].map(|month| format!("{year}.{month:02}")));
    // Versions of this form are in the order of their text.
    for release in releases.filter(|release| release.as_str() <= version) {
        names.push_str(&format!(",ga-{release}"));
    }
    if !names.split(',').any(|name| name == kernel) {
        names.push_str(&format!(",{kernel}"));
    }
    names
}
