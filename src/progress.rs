//! Progress of long work: a bar on a terminal, a line every few seconds elsewhere.
