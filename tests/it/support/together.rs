//! A world that has every kind of content at once, in one bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapferry::label::Label;

use super::lies::{Lie, Truth};
use super::world::{Content, contents};

/// All of [`contents`], each with a folder of the upstream.
pub(crate) struct Together(Vec<Arc<dyn Content>>);

impl Together {
    /// One of each kind.
    pub(crate) fn all() -> Self {
        Self(contents())
    }

    fn each<'a>(&'a self, upstream: &'a Path) -> impl Iterator<Item = (&'a Arc<dyn Content>, PathBuf)> {
        self.0.iter().enumerate().map(|(number, content)| (content, upstream.join(number.to_string())))
    }
}

impl Content for Together {
    fn publish(&self, upstream: &Path, number: u32) {
        for (content, folder) in self.each(upstream) {
            std::fs::create_dir_all(&folder).unwrap();
            content.publish(&folder, number);
        }
    }

    fn sources(&self, upstream: &Path) -> String {
        self.each(upstream).map(|(content, folder)| content.sources(&folder)).collect()
    }

    fn allows(&self) -> Vec<Label> {
        self.0.iter().flat_map(|content| content.allows()).collect()
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        self.each(upstream).flat_map(|(content, folder)| content.pins(&folder)).collect()
    }

    fn check(&self, folder: &Path) {
        self.0.iter().for_each(|content| content.check(folder));
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        self.0.iter().find_map(|content| content.undated(path, text))
    }

    fn kills(&self) -> usize {
        0 // each kind is killed by itself
    }

    fn lies(&self) -> Vec<Lie> {
        Vec::new() // each kind is lied about by itself
    }

    fn truths(&self) -> Vec<Truth> {
        Vec::new()
    }
}
