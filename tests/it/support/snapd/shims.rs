//! Programs that stand in for systemd's, as far as snapd needs them to mount snaps.

/// All of them, by their names.
pub(super) const SHIMS: [(&str, &str); 2] = [("systemctl", SYSTEMCTL), ("udevadm", "#!/bin/sh\n")];

/// It mounts what mount units say; services it takes for stopped.
const SYSTEMCTL: &str = r#"#!/bin/sh
units=/etc/systemd/system
printf '%s\n' "$*" >>"$(dirname "$0")/systemctl.log"

of() { sed -n "s/^$2=//p" "$units/$1"; }

begin() {
    where=$(of "$1" Where)
    mountpoint -q "$where" && return
    mkdir -p "$where"
    mount -t "$(of "$1" Type)" -o "loop,$(of "$1" Options)" "$(of "$1" What)" "$where"
}

finish() {
    where=$(of "$1" Where)
    ! mountpoint -q "$where" || umount "$where"
}

active() {
    case $1 in
        *.mount) [ -e "$units/$1" ] && mountpoint -q "$(of "$1" Where)" ;;
        *) false ;;
    esac
}

show() {
    state=inactive
    ! active "$1" || state=active
    printf 'Type=oneshot\nId=%s\nNames=%s\nActiveState=%s\nUnitFileState=enabled\nNeedDaemonReload=no\n' "$1" "$1" $state
}

[ "$1" != --version ] || { echo "systemd 252 (252)"; exit; }
verb=
for word; do
    case $word in
        -*) ;;
        '*.mount') exit ;;
        *)
            if [ -z "$verb" ]; then verb=$word; continue; fi
            case $verb:$word in
                start:*.mount | restart:*.mount | reload-or-restart:*.mount) begin "$word" || exit 1 ;;
                stop:*.mount) finish "$word" || exit 1 ;;
                is-active:*) active "$word" || { echo inactive; exit 3; }; echo active ;;
                show:*.*) [ -z "$shown" ] || echo; show "$word"; shown=yes ;;
            esac
            ;;
    esac
done
"#;
