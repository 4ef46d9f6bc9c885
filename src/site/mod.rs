//! The air-gapped side: import, generations, publishers.
