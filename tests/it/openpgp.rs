//! OpenPGP against the real gpg and gpgv: what we sign they accept, and our verdicts are theirs, or differ on purpose.

mod gnupg;
mod real;
mod signing;
