//! Keys, signatures, the trust file: who must have signed what, and what may not go backwards.
