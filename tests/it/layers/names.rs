//! Names of types, which stand once in the crate.

use std::collections::BTreeMap;

use proc_macro2::TokenTree;

use super::uses::SourceTree;

/// Returns each name that several types have, with the files that define them.
pub(crate) fn names_used_twice(tree: &SourceTree) -> Vec<String> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, tokens) in tree.modules() {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        for pair in tokens.windows(2) {
            let [TokenTree::Ident(word), TokenTree::Ident(name)] = pair else { continue };
            if ["struct", "enum", "union", "trait", "type"].iter().any(|kind| word == kind) {
                types.entry(name.to_string()).or_default().push(module.join("::"));
            }
        }
    }
    let twice = types.into_iter().filter(|(_, modules)| modules.len() > 1);
    twice.map(|(name, modules)| format!("{name}: {}", modules.join(", "))).collect()
}
