//! `VERIFY.txt`: how to check and unpack a bundle by hand, with stock tools and any POSIX shell.

use super::state::Manifest;

/// The largest `VERIFY.txt` that is read, in bytes.
pub(crate) const MAX_VERIFY_BYTES: u64 = 1 << 20;

/// Returns the text for a state. It depends on no packing, so all packings of a state can name the same digest.
pub(crate) fn verify_text(manifest: &Manifest) -> String {
    let head = format!(
        "Bundle {folder}: how to check and unpack it without gapferry\n\n\
         Site {site}, bundle {name}, sequence {sequence}, made {created}, valid until {expires}.\n",
        folder = manifest.folder(),
        site = manifest.site,
        name = manifest.name,
        sequence = manifest.sequence,
        created = manifest.created,
        expires = manifest.expires,
    );
    head + BODY
}

/// The text below the head. Lines that are indented by four blanks are commands, and nothing else is.
const BODY: &str = r#"
You need the builder's public key (builder.pub, by another way than this medium) and the usual tools: ssh-keygen of OpenSSH 8.1 or
newer, sha256sum, jq, tar, zstd, gpgv, awk, and what indexes are compressed with. Run the commands in the folder of this file, one step after the other, in one shell (sh is
enough). Where the bundle is on several media, do steps 1 and 2 on each of them, and the first command of step 3 on each of them
with the same work folder. The commands take nothing for granted that step 1 or 2 has not checked: stop where one fails.

1. Check the signatures over the manifest (what is to be published) and over each packing (which bytes are in which volume). Each
   line must begin with "Good".

    work=$(mktemp -d) && mkdir "$work/tree"
    printf 'builder %s\n' "$(cut -d ' ' -f 1,2 builder.pub)" > "$work/allowed"
    ssh-keygen -Y verify -f "$work/allowed" -I builder -n gapferry-manifest -s manifest.json.sig < manifest.json
    for p in packings/*/packing.json; do ssh-keygen -Y verify -f "$work/allowed" -I builder -n gapferry-packing -s "$p.sig" < "$p"; done

2. Check all that they name. Each line must end with "OK". Volumes on other media are left out.

    jq -r '.collections[] | "\(.list.stored.sha256)  items/\(.kind)-\(.name).jsonl.zst"' manifest.json | sha256sum --strict -c
    for p in packings/*/packing.json; do jq -r '"\(.parameters.manifest)  manifest.json", "\(.verify)  VERIFY.txt"' "$p" | sha256sum --strict -c; done
    for p in packings/*/; do jq -r --arg p "$p" '.volumes | to_entries[] | (.key + 1 | tostring | if length < 3 then ("00" + .)[-3:] else . end) as $n | "\(.value.sha256)  \($p)volume-\($n).tar", "\(.value.index.stored.sha256)  \($p)volume-\($n).idx"' "${p}packing.json"; done | sha256sum --strict --ignore-missing -c

3. Unpack the volumes that are here, then expand what was compressed. The indexes say what that is, since upstreams have files named
   *.zst of their own.

    for v in packings/*/volume-*.tar; do tar -xf "$v" -C "$work/tree" && zstd -dcq "${v%.tar}.idx" >> "$work/parts"; done
    jq -r 'select(.encoding == "zstd") | .name' "$work/parts" | while read -r f; do zstd -dq --rm "$work/tree/$f"; done
    jq -r 'select(.encoding == "patch") | .name' "$work/parts" | sort > "$work/patches"

   Files in $work/patches are patches against older files that the site holds. Where the site's depot is at hand, these commands apply
   them; elsewhere they do nothing.

    site=${site:-/srv/gapferry}
    [ ! -d "$site/depot" ] || jq -r 'select(.encoding == "patch") | "\(.base.sha256) \(.base.start) \(.base.length) \(.name)"' "$work/parts" | while read -r b s l f; do tail -c +$((s + 1)) "$site/depot/sha256/$(printf %.2s "$b")/$b" | head -c "$l" > "$work/old"; zstd -dq --patch-from="$work/old" "$work/tree/$f" -o "$work/tree/${f%.zst-patch}" && rm "$work/tree/$f"; done

   Now join what was cut.

    jq -r 'select(.start > 0) | .blob' "$work/parts" | sort -u > "$work/cut"
    jq -r 'select(.start == 0) | "\(.blob) \(.name)"' "$work/parts" | sort | join - "$work/cut" | while read -r b f; do f="$work/tree/${f%.part000001*}"; ls "$f".part*.zst-patch > "$work/left" 2> "$work/left" && continue; cat "$f".part?????? > "$f" && rm "$f".part??????; done

4. Check each unpacked file against the item lists. The first command prints nothing if all is well; the second one what no list
   names (patches, and files of which parts are on other media); the third one counts the files of the state that are not in the
   tree.

    jq -r '.collections[] | "\(.kind) \(.name)"' manifest.json | while read -r k n; do zstd -dcq "items/$k-$n.jsonl.zst" | jq -r --arg p "$k/$n/" '"\(.sha256)  \($p)\(.path)"'; done > "$work/sums"
    (cd "$work/tree" && sha256sum --strict --quiet --ignore-missing -c "$work/sums")
    cut -c 67- "$work/sums" | sort > "$work/named"; (cd "$work/tree" && find * -type f) | sort | comm -23 - "$work/named"
    (cd "$work/tree" && find * -type f) | sort | comm -13 - "$work/named" | wc -l

   Not in the tree are files that the site holds already (a delta's tree is incomplete: see "bases" of the packings), files on
   other media, patches without their older files, and the second and further names of files that have several. Of what the site
   holds you see name, version, size and digest in the item lists, and not the content: look it up in the bundle that brought it.

5. Check upstream's own signatures. That needs upstream's keyrings, by another way than this medium: each in the folder $keys as
   SOURCE.gpg, not armored. The second command lists the sources. Of what the last but one prints each line must begin with "good",
   or with "not here" for files that the site holds or that are on other media.

    keys=${keys:-/usr/share/keyrings}
    jq -r '.collections[] | select(.kind != "snaps") | .source' manifest.json | sort -u
    jq -r '.collections[] | select(.kind != "snaps") | "\(.kind) \(.name) \(.source)"' manifest.json | while read -r k n s; do zstd -dcq "items/$k-$n.jsonl.zst" | jq -r --arg s "$s" --arg p "$k/$n/" 'select(.type == "proof" and has("signed_by")) | "\($s) \($p)\(.path)"'; done > "$work/signed"
    while read -r k n; do f="$work/tree/$n" s=; case $n in *.gpg | *.asc | *.sig) s=$f f=${f%.*} ;; esac; for e in gpg asc; do ! grep -qxF "$n.$e" "$work/named" || s=$f.$e; done; if [ ! -e "$f" ] || [ -n "$s" -a ! -e "$s" ]; then echo "not here $n"; continue; fi; gpgv -q --status-fd 1 --keyring "$keys/$k.gpg" ${s:+"$s"} "$f" > "$work/words" 2>&1 || :; if grep -q '^.GNUPG:. VALIDSIG' "$work/words" && ! grep -q '^.GNUPG:. BADSIG' "$work/words"; then echo "good $n"; else echo "BAD $n"; fi; done < "$work/signed" > "$work/verdicts"
    cat "$work/verdicts"
    [ "$(grep -c '^BAD' "$work/verdicts")" = 0 ]

   Go down from there: the signed text of an archive of packages names the indexes by digest, and these name the packages; that of an
   image stream names the images. The last command prints the items of which no good signed file leads to their digest: none if all
   that vouches for them is here, and all those below an index that the site holds or that is on another medium. Indexes that sign by
   SHA-512 alone, and repositories of RPMs (repomd.xml names primary.xml, that names packages), are for `sha512sum` and your eyes.

    plain() { k=$(grep -F " $2" "$work/signed" | cut -d ' ' -f 1); rm -f "$work/plain"; if grep -q '^-----BEGIN PGP SIGNED' "$1"; then gpgv -q -o "$work/plain" --keyring "$keys/$k.gpg" "$1" 2> "$work/left" || :; cat "$work/plain"; else cat "$1"; fi; }
    jq -r '.collections[] | select(.kind == "apt" or .kind == "images") | "\(.kind) \(.name)"' manifest.json | while read -r k n; do zstd -dcq "items/$k-$n.jsonl.zst" | jq -r --arg p "$k/$n/" 'select(.type == "item" and has("proof")) | "\(.sha256)  \($p)\(.path)"'; done | sort -u > "$work/claimed"
    grep '^good ' "$work/verdicts" | cut -d ' ' -f 2- | while read -r n; do f=$work/tree/$n; case $n in apt/*/*.gpg) continue ;; apt/*) c=$(printf %s "$n" | cut -d / -f 1,2); plain "$f" "$n" | awk -v d="${n%/*}/" '/^[^ ]/ { p = /^SHA256:/ } p && NF == 3 { print $1 "  " d $3 }' > "$work/listed"; (cd "$work/tree" && sha256sum --strict --ignore-missing -c "$work/listed" 2> "$work/left") | sed -n 's/: OK$//p' | grep -E '/(Packages|Sources)(\.[a-z0-9]+)?$' | while read -r i; do case $i in *.xz) xz -dc "$work/tree/$i" ;; *.gz) gzip -dc "$work/tree/$i" ;; *.bz2) bzip2 -dc "$work/tree/$i" ;; *.zst) zstd -dcq "$work/tree/$i" ;; *) cat "$work/tree/$i" ;; esac | awk -v c="$c/" 'function put(h, f) { gsub("/(\\./|/)+", "/", f); sub("^(\\./)+", "", f); if (h != "" && f != "") print h "  " c f } NF == 0 { put(h, f); for (i = 1; i <= n; i++) put(s[i], d t[i]); k = f = h = d = ""; n = 0; next } /^[^ \t]/ { k = tolower($1) } k == "filename:" { f = $2 } k == "sha256:" { h = $2 } k == "directory:" { d = (NF > 1) ? $2 "/" : "" } k == "checksums-sha256:" && NF == 3 { n++; s[n] = $1; t[n] = $3 } END { put(h, f); for (i = 1; i <= n; i++) put(s[i], d t[i]) }'; done ;; images/*.sjson) c=$(printf %s "$n" | cut -d / -f 1,2); plain "$f" "$n" | jq -r --arg c "$c/" '.. | objects | select(has("path") and has("sha256")) | "\(.sha256)  \($c)\(.path)"' ;; images/*.json) c=$(printf %s "$n" | cut -d / -f 1,2); jq -r --arg c "$c/" '.. | objects | select(has("path") and has("sha256")) | "\(.sha256)  \($c)\(.path)"' "$f" ;; esac; done | sort -u > "$work/vouched"
    comm -23 "$work/claimed" "$work/vouched" | sed 's/^.\{66\}/not vouched for: /'

   Items without "proof" are signed by nobody but the builder:

    for l in items/*.jsonl.zst; do zstd -dcq "$l" | jq -r 'select(.type == "item" and (has("proof") | not)) | "\(.name) \(.version)"'; done

   Of snaps, `snap known` and `snap ack` check assertions (*.assert), on a machine that knows the store's keys.

6. Files in trust/ say who may sign what from now on. A site takes each version only if the root quorum of the version before it and
   its own one have signed it ("quorums" in the file). These commands say who has signed, by the keys of both. The version before
   the first one is the site's.

    site=${site:-/srv/gapferry}
    for t in trust/*.json; do [ -e "$t" ] || continue; v=${t#trust/}; b=$((${v%.json} - 1)).json; for k in "$site/trust/$b" "trust/$b" "$t"; do [ -e "$k" ] || continue; echo "$t by the keys of $k:"; jq -r '.persons | to_entries[] | .key as $p | .value[] | select((has("revoked") | not) and (.roles | index("root") != null)) | "\($p) \(.key)"' "$k" > "$work/root"; rm -f "$work"/signature*; awk -v f="$work/signature" '/BEGIN/ { n++ } { print > (f n) }' "$t.sig"; for s in "$work"/signature*; do p=$(ssh-keygen -Y find-principals -s "$s" -f "$work/root" 2> "$work/left") && ssh-keygen -Y verify -f "$work/root" -I "$p" -n gapferry-trust -s "$s" < "$t"; done; done; done

Files named *.rec are recovery data: gapferry repairs damaged volumes with them, and replaces lost ones. They are not signed, nothing
is taken from them unchecked, and without damage they are not needed. SHA256SUMS and MEDIUM.txt are not signed either.
"#;
