//! Content types of what is published, by name. Compressed indexes are files of their own and not encoded texts, so nothing
//! here ever has a `Content-Encoding`.

use crate::kind::Kind;

/// The content type of a file at `path` below a generation.
pub(super) fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with("keys/") {
        return "application/pgp-keys"; // RFC 3156, section 7
    }
    let Some((_, suffix)) = name.rsplit_once('.') else {
        return of_plain_name(path);
    };
    match suffix {
        "deb" | "udeb" | "ddeb" => "application/vnd.debian.binary-package",
        "dsc" | "changes" | "txt" | "manifest" | "sjson" => PLAIN,
        "xz" => "application/x-xz",
        "gz" | "tgz" => "application/gzip",
        "bz2" => "application/x-bzip2",
        "zst" => "application/zstd",
        "lzma" => "application/x-lzma",
        "tar" => "application/x-tar",
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        "key" => "application/pgp-keys",
        "gpg" | "asc" | "sig" => "application/pgp-signature", // RFC 3156, section 5
        "snap" => "application/vnd.snap",
        "rpm" => "application/x-rpm",
        "xml" => "application/xml",
        "assert" => "application/x.ubuntu.assertion",
        "squashfs" => "application/vnd.squashfs",
        "iso" => "application/x-iso9660-image",
        _ => of_plain_name(path),
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// The content type of a file whose name has no ending that is known.
fn of_plain_name(path: &str) -> &'static str {
    if Kind::is_text(path) { PLAIN } else { BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types() {
        for (path, wanted) in [
            ("apt/u/pool/a/a_1.2_all.deb", "application/vnd.debian.binary-package"),
            ("apt/u/dists/jammy/InRelease", PLAIN),
            ("apt/u/dists/jammy/Release.gpg", "application/pgp-signature"),
            ("apt/u/dists/jammy/main/binary-amd64/Packages", PLAIN),
            ("apt/u/dists/jammy/main/binary-amd64/Packages.xz", "application/x-xz"),
            ("apt/u/dists/jammy/main/i18n/Translation-en", PLAIN),
            ("apt/u/dists/jammy/main/binary-amd64/by-hash/SHA256/abc", BYTES),
            ("apt/flat/Packages", PLAIN),
            ("images/maas/streams/v1/index.sjson", PLAIN),
            ("images/maas/streams/v1/index.json", "application/json"),
            ("images/maas/streams/v1/index.json.gpg", "application/pgp-signature"),
            ("images/maas/jammy/amd64/20250718/squashfs", BYTES),
            ("images/maas/jammy/amd64/20250718/root.squashfs", "application/vnd.squashfs"),
            ("images/maas/server/disk1.img", BYTES),
            ("snaps/store/jq_6.snap", "application/vnd.snap"),
            ("snaps/store/jq_6.assert", "application/x.ubuntu.assertion"),
            ("keys/site.gpg", "application/pgp-keys"),
            ("keys/site.asc", "application/pgp-keys"),
            ("yum/el/repodata/repomd.xml.key", "application/pgp-keys"),
            ("images/maas/index.html", "text/html; charset=utf-8"),
        ] {
            assert_eq!(content_type(path), wanted, "{path}");
        }
    }
}
