//! The small files beside the manifest that let anyone check a bundle with stock tools.

use std::fmt::Write as _;

use super::layout::{blob_names, member_name};
use super::manifest::Manifest;
use super::names;
use crate::digest::Sha256;

/// `SHA256SUMS`, for coreutils' `sha256sum --strict -c`.
pub(crate) fn sha256sums(manifest: &Manifest, manifest_digest: Sha256, recovery: &[(String, Sha256)]) -> String {
    let mut text = format!("{manifest_digest}  {}\n", names::MANIFEST);
    for volume in &manifest.volumes {
        let _ = writeln!(text, "{}  {}", volume.sha256, volume.file);
    }
    for (file, digest) in recovery {
        let _ = writeln!(text, "{digest}  {file}");
    }
    text
}

/// `VERIFY.txt`: how to check and unpack this bundle with ssh-keygen, sha256sum, tar and zstd alone.
pub(crate) fn verify_text(manifest: &Manifest) -> String {
    format!(
        r#"Bundle {folder}: how to check and unpack it without gapferry

You need the builder's public key (builder.pub, from the builder by another way than this medium) and the usual tools:
ssh-keygen (OpenSSH 8.1 or newer), sha256sum, tar, unzstd. Run these in the folder of this file.

1. Check the signature over the manifest:

    printf 'builder %s\n' "$(cat builder.pub)" > /tmp/allowed_signers
    ssh-keygen -Y verify -f /tmp/allowed_signers -I builder -n gapferry-manifest \
        -s manifest.json.sig < manifest.json

2. Check that the volumes are those that the signed manifest names. SHA256SUMS is a convenience and is not signed itself:
   the second command compares it with the manifest, and prints nothing when they agree.

    sha256sum --strict -c SHA256SUMS
    sed -n 's/^{{"file":"\(volume-[0-9]*\.tar\)","sha256":"\([0-9a-f]*\)".*/\2  \1/p' manifest.json \
        | diff - <(grep ' volume-[0-9]*\.tar$' SHA256SUMS)

3. Unpack all volumes into one folder, expand what was compressed, and join what was cut:

    mkdir -p /tmp/tree && for v in volume-*.tar; do tar -xf "$v" -C /tmp/tree; done
    find /tmp/tree -name '*.zst' -exec unzstd -q --rm {{}} +
    find /tmp/tree -name '*.part0001' | while read -r f; do b="${{f%.part0001}}"; cat "$b".part???? > "$b" && rm "$b".part????; done

   A file that upstream itself names *.zst is stored as it is and would be expanded too; the manifest's list of blobs says
   of each part whether it was stored "raw" or "zstd". A file with several names is stored under the first one only; the
   lists "files" and "proofs" of the manifest name them all.

Files named *.rec, if there are any, are recovery data: gapferry repairs damaged volumes with them, and replaces lost ones. They
are not signed, nothing is taken from them unchecked, and without damage they are not needed.

{patches}Site {site}, bundle {name}, sequence {sequence}, made {created}, valid until {expires}.
"#,
        patches = patches(manifest),
        folder = manifest.folder(),
        site = manifest.site,
        name = manifest.name,
        sequence = manifest.sequence,
        created = manifest.created,
        expires = manifest.expires,
    )
}

/// How to apply the patches, after the second command of step 3; nothing where there are none.
fn patches(manifest: &Manifest) -> String {
    let names = blob_names(&manifest.collections);
    let mut commands = String::new();
    for blob in &manifest.blobs {
        for (index, part) in blob.parts.iter().enumerate() {
            let Some((base, name)) = part.base.as_ref().zip(names.get(&blob.sha256)) else { continue };
            let member = member_name(name, index, blob.parts.len(), part.encoding);
            let _ = writeln!(commands, "    apply {} {} {} '{member}'", base.sha256, base.start, base.length);
        }
    }
    if commands.is_empty() {
        return String::new();
    }
    format!(
        r#"4. Some members are patches (*.zst-patch): each needs bytes of an older file that the site holds, whose digest, start and
   length the manifest names as "base". With zstd 1.4.5 or newer, before the last command of step 3, where site is the
   site's folder:

    site=/srv/gapferry
    apply() {{
        old="$site/depot/sha256/$(printf %.2s "$1")/$1"; new="/tmp/tree/${{4%.zst-patch}}"
        tail -c +$(($2 + 1)) "$old" | head -c "$3" > /tmp/old
        zstd -q -d --patch-from=/tmp/old "/tmp/tree/$4" -o "$new" && rm "/tmp/tree/$4" /tmp/old
    }}
{commands}
"#
    )
}
