//! Programs that stand in for systemd's, as far as snapd needs them to mount snaps.

/// All of them, by their names.
pub(super) const SHIMS: [(&str, &str); 2] = [("systemctl", SYSTEMCTL), ("udevadm", "#!/bin/sh\n")];

/// It mounts what mount units say; services it takes for stopped.
const SYSTEMCTL: &str = include_str!("../../../../fixtures/snapd/systemctl");
