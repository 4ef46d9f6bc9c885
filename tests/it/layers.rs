//! Holds the `use` lines and paths of `src/` against the layers in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

mod graph;
mod names;
mod parameters;
mod uses;

use graph::circles;
use names::names_used_twice;
use parameters::unnamed_parameters;
use uses::SourceTree;

/// A row of the table of layers. Its modules use only modules to their right, and modules of lower rows.
struct Layer {
    name: String,
    modules: Vec<String>,
}

/// Reads the table below the heading "Layers".
fn layers(document: &str) -> Vec<Layer> {
    let (_, section) = document.split_once("\n## Layers\n").expect("docs/architecture.md has a section Layers");
    let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|');
        let name = cells.next().unwrap().trim().to_owned();
        let modules = cells.next().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Layer { name, modules }
    };
    table.skip(2).map(row).collect()
}

/// Returns the arrows between top-level modules that the table forbids, each with a file that has it.
fn forbidden_arrows(tree: &SourceTree, layers: &[Layer]) -> Vec<String> {
    let mut place = BTreeMap::new();
    for (row, layer) in layers.iter().enumerate() {
        for (column, module) in layer.modules.iter().enumerate() {
            assert!(place.insert(module.as_str(), (row, column)).is_none(), "{module} is in the table twice");
        }
    }
    let side = |row: usize| layers[row].name.ends_with(" side");
    let mut forbidden = BTreeSet::new();
    for (file, arrows) in tree.arrows() {
        for target in arrows {
            let (Some(from), Some(to)) = (file.first(), target.first()) else { continue };
            if from == to {
                continue;
            }
            let at = |module: &str| *place.get(module).unwrap_or_else(|| panic!("{module} is in no layer"));
            let (low, high) = (at(to), at(from));
            let between_sides = low.0 != high.0 && side(low.0) && side(high.0);
            if low < high || between_sides {
                forbidden.insert(format!("{} uses {to}", file.join("::")));
            }
        }
    }
    forbidden.into_iter().collect()
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let layers = layers(&document());
    assert_eq!(forbidden_arrows(&tree, &layers), Vec::<String>::new());
    let listed: BTreeSet<_> = layers.iter().flat_map(|layer| &layer.modules).cloned().collect();
    assert_eq!(listed, tree.top_level_modules(), "the table has all modules, and no others");
}

#[test]
fn no_files_of_a_module_form_a_circle() {
    let tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let found: Vec<String> = circles(&tree).iter().map(|files| files.join(", ")).collect();
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}

#[test]
fn planted_arrows_are_found() {
    let layers = layers(&document());
    for (file, text, arrow) in [
        ("formats/planted", "use crate::site::Site;", "formats::planted uses site"),
        ("collect/planted", "fn f() { crate::site::import(); }", "collect::planted uses site"),
        ("site/planted", "use crate::{digest::Sha256, workspace::{Workspace}};", "site::planted uses workspace"),
        ("storage/planted", "#[error(\"{}\", crate::cli::run(1))] struct S;", "storage::planted uses cli"),
        ("media/planted", "use super::super::export;", "media::planted uses export"),
        ("formats/planted", "#[cfg(test)] use crate::demo::run;", "formats::planted uses demo"),
        ("bundle/planted", "mod tests { use super::super::super::demo::run; }", "bundle::planted::tests uses demo"),
    ] {
        let mut tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        tree.add(file, text);
        assert_eq!(forbidden_arrows(&tree, &layers), [arrow], "{text}");
    }
}

#[test]
fn comments_and_strings_are_no_arrows() {
    let layers = layers(&document());
    let mut tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let text = "//! [`crate::site`]\nconst A: &str = \"crate::site::Site\";\nuse crate::digest::Sha256;";
    tree.add("formats/planted", text);
    assert_eq!(forbidden_arrows(&tree, &layers), Vec::<String>::new());
}

#[test]
fn no_two_types_have_one_name() {
    let mut tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert_eq!(names_used_twice(&tree), Vec::<String>::new());
    tree.add("site/planted", "impl Iterator for S { type Item = u8; } pub(super) struct Depot<'a>(&'a u8);");
    assert_eq!(names_used_twice(&tree), ["Depot: depot, site::planted"]);
}

#[test]
fn parameters_say_what_they_mean() {
    let mut tree = SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let unnamed = unnamed_parameters(&tree);
    assert_eq!(unnamed, Vec::<String>::new(), "give them an enum, a struct, or a function each");
    tree = SourceTree::default();
    for (name, function, is_named) in [
        ("a", "fn f(a: u8, (b, c): (u8, u8)) {}", false),
        ("b", "impl S { pub fn f<T: Fn(u8) -> u8>(&self, map: BTreeMap<u8, u8>, a: bool) {} }", false),
        ("c", "fn f(a: &mut bool) {}", false),
        ("d", "fn f(a: &[(u8, u8)], b: &mut (impl Read + Seek), c: fn(bool), d: ()) {}", true),
        ("e", "impl<'de> Visitor<'de> for V { fn visit_bool<E>(self, _: bool) {} }", true),
        ("i", "proptest! { fn f(a: bool) {} }", true),
        ("g", "trait T { fn f(&self, a: bool); }", false),
        ("h", "fn f() -> impl Iterator<Item = u8> { fn g(a: bool) {} }", false),
    ] {
        tree.add(name, function);
        assert_eq!(unnamed_parameters(&tree).iter().any(|found| found.starts_with(name)), !is_named, "{function}");
    }
}

#[test]
fn planted_circles_are_found_through_names_that_are_passed_on() {
    let mut tree = SourceTree::default();
    tree.add("a", "mod one; mod two; pub use one::One; pub use two::Two;");
    tree.add("a/one", "use super::Two; pub struct One(Two);");
    tree.add("a/two", "pub struct Two;");
    assert!(circles(&tree).is_empty());
    tree.add("a/two", "pub struct Two(Option<Box<super::One>>);");
    assert_eq!(circles(&tree), [["a::one", "a::two"]]);
}
