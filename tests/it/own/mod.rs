//! What has no upstream that would list it: images of other operating systems, and loose files.

mod files;
mod images;
mod policy;
