//! The downloader that every collector uses: concurrent, resumed, capped, checked by digest.
