//! The online side: one collector per kind of content, over one downloader.

pub mod apt;
pub mod fetch;
