//! The command line: one file per command, arguments in, words or JSON out.
