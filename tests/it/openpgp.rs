//! OpenPGP against the real gpg and gpgv: what we sign they accept, and our verdicts are theirs, or differ on purpose.

mod gnupg;
mod keys;
mod real;
mod rows_crafted;
mod rows_keys;
mod rows_signatures;
mod rows_text;
mod signing;
mod surgery;
mod table;
