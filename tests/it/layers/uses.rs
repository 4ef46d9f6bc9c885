//! The names that each file of a source tree uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// A path of a module or an item, such as `["site", "error"]`.
pub(crate) type Names = Vec<String>;

/// The names in one file.
#[derive(Default)]
struct Source {
    /// The names that `use` brings into it, and what they stand for.
    bindings: BTreeMap<String, Names>,
    /// The paths that it names.
    paths: BTreeSet<Names>,
}

/// The files of a crate, by module.
#[derive(Default)]
pub(crate) struct SourceTree {
    tokens: BTreeMap<Names, TokenStream>,
}

impl SourceTree {
    /// Reads all files below `src`.
    pub(crate) fn read(src: &Path) -> Self {
        let mut tree = Self::default();
        for entry in walkdir::WalkDir::new(src) {
            let path = entry.unwrap().into_path();
            let name = path.strip_prefix(src).unwrap().with_extension("");
            if path.extension().is_some_and(|extension| extension == "rs") {
                tree.add(name.to_str().unwrap(), &fs::read_to_string(&path).unwrap());
            }
        }
        tree
    }

    /// Adds a file, in the place of one that is there. `name` has no extension, such as `site/error`. Modules within the file,
    /// such as its unit tests, are files of their own.
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        let mut module: Names = name.split('/').map(str::to_owned).collect();
        if ["mod", "lib", "main"].contains(&module.last().unwrap().as_str()) {
            module.pop();
        }
        if name != "main" {
            self.add_module(module, text.parse().unwrap());
        }
    }

    fn add_module(&mut self, module: Names, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut own = Vec::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match &tokens[at..] {
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..] if word == "mod" => {
                    self.add_module([&module[..], &[name.to_string()]].concat(), body.stream());
                    at += 3;
                }
                _ => {
                    own.push(token.clone());
                    at += 1;
                }
            }
        }
        self.tokens.insert(module, own.into_iter().collect());
    }

    /// Returns the tokens of each module.
    pub(crate) fn modules(&self) -> &BTreeMap<Names, TokenStream> {
        &self.tokens
    }

    pub(crate) fn top_level_modules(&self) -> BTreeSet<String> {
        self.tokens.keys().filter_map(|module| module.first().cloned()).collect()
    }

    /// Returns for each file the files that define what it uses. Names that a module passes on are followed.
    pub(crate) fn arrows(&self) -> BTreeMap<Names, BTreeSet<Names>> {
        let sources: BTreeMap<&Names, Source> =
            self.tokens.iter().map(|(module, tokens)| (module, self.parse(module, tokens))).collect();
        let target = |path: &Names| resolve(&sources, path, 0);
        let arrows = |source: &Source| source.paths.iter().map(target).collect();
        sources.iter().map(|(module, source)| ((*module).clone(), arrows(source))).collect()
    }

    fn parse(&self, module: &Names, tokens: &TokenStream) -> Source {
        let mut source = Source::default();
        self.walk(module, tokens, &mut source);
        source
    }

    fn walk(&self, module: &Names, tokens: &TokenStream, source: &mut Source) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "use" => {
                    let length = tokens[at..].iter().take_while(|token| !is_punct(token, ';')).count();
                    for (name, path) in use_tree(&tokens[at + 1..at + length], &[]) {
                        if let Some(path) = self.absolute(module, &path) {
                            source.bindings.insert(name, path.clone());
                            source.paths.insert(path);
                        }
                    }
                    at += length;
                }
                TokenTree::Ident(_) => {
                    let (path, length) = simple_path(&tokens[at..]);
                    source.paths.extend(self.absolute(module, &path).filter(|_| path.len() > 1));
                    at += length;
                }
                TokenTree::Group(group) => {
                    self.walk(module, &group.stream(), source);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Returns the path from the crate's root; `None` for a path into another crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Names> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let below = |rest: &[String]| Some([module, rest].concat());
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => below(&path[1..]),
            "super" => Some([&module[..module.len().saturating_sub(ups)], &path[ups..]].concat()),
            child if self.tokens.contains_key(&[module, &[child.to_owned()]].concat()) => below(path),
            _ => None,
        }
    }
}

/// Returns the file that defines what `path` names. A path of a module names that module's file.
fn resolve(sources: &BTreeMap<&Names, Source>, path: &Names, depth: usize) -> Names {
    let mut module = Names::new();
    for (index, part) in path.iter().enumerate() {
        let inner = [&module[..], std::slice::from_ref(part)].concat();
        if sources.contains_key(&inner) {
            module = inner;
            continue;
        }
        let passed_on = sources.get(&module).and_then(|source| source.bindings.get(part)).filter(|_| depth < 8);
        return match passed_on {
            Some(target) => resolve(sources, &[&target[..], &path[index + 1..]].concat(), depth + 1),
            None => module,
        };
    }
    module
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// Reads `a::b::c`, and returns its parts and the number of tokens.
fn simple_path(tokens: &[TokenTree]) -> (Names, usize) {
    let mut path = Names::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !(tokens.len() > at + 2 && is_punct(&tokens[at], ':') && is_punct(&tokens[at + 1], ':')) {
            break;
        }
        at += 2;
    }
    (path, at.max(1))
}

/// Reads the tree of a `use` item, and returns each name that it binds with the path that the name stands for.
fn use_tree(tokens: &[TokenTree], prefix: &[String]) -> Vec<(String, Names)> {
    let (path, length) = simple_path(tokens);
    let mut path = [prefix, &path].concat();
    match tokens.get(length) {
        Some(TokenTree::Group(group)) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner.split(|token| is_punct(token, ',')).flat_map(|part| use_tree(part, &path)).collect()
        }
        alias => {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let is_alias = matches!(alias, Some(TokenTree::Ident(word)) if word == "as");
            let name = if is_alias { tokens.last().map(ToString::to_string) } else { path.last().cloned() };
            name.map(|name| (name, path)).into_iter().collect()
        }
    }
}
