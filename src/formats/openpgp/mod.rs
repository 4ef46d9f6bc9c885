//! OpenPGP (RFC 4880, RFC 9580): who signed a text, under a policy of our own.
