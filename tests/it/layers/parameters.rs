//! Parameters of functions, whose meaning a call has to show.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::uses::{SourceTree, is_punct};

/// Returns each function with a parameter that is a bare `bool` or a tuple. Implementations of traits have the parameters that the
/// trait asks for, so the trait is checked instead.
pub(crate) fn unnamed_parameters(tree: &SourceTree) -> Vec<String> {
    let mut found = Vec::new();
    for (module, tokens) in tree.modules() {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut functions = Vec::new();
        walk(&tokens, &mut functions);
        found.extend(functions.into_iter().map(|function| format!("{}::{function}", module.join("::"))));
    }
    found
}

fn walk(tokens: &[TokenTree], found: &mut Vec<String>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "impl" && is_of_trait(&tokens[at..]) => {
                at += tokens[at..].iter().take_while(|token| !is_block(token)).count();
            }
            // A property has generated values as parameters, and nobody calls it.
            TokenTree::Ident(word)
                if word == "proptest" && tokens.get(at + 1).is_some_and(|next| is_punct(next, '!')) =>
            {
                at += 2;
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                    let rest = &tokens[at + 2..];
                    let list = outside_generics(rest).into_iter().find_map(|(_, token)| parenthesis(token));
                    if list.is_some_and(has_unnamed) {
                        found.push(name.to_string());
                    }
                }
            }
            TokenTree::Group(group) => walk(&group.stream().into_iter().collect::<Vec<_>>(), found),
            _ => {}
        }
        at += 1;
    }
}

/// Returns whether these tokens begin with an implementation of a trait.
fn is_of_trait(tokens: &[TokenTree]) -> bool {
    let head: Vec<&TokenTree> = tokens.iter().take_while(|token| !is_block(token)).collect();
    let is_for = |pair: &[&TokenTree]| {
        matches!(pair[0], TokenTree::Ident(word) if word == "for") && !is_punct(pair[1], '<') // not for<'a>
    };
    head.windows(2).any(is_for)
}

fn is_block(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn parenthesis(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    }
}

fn has_unnamed(list: &Group) -> bool {
    let tokens: Vec<TokenTree> = list.stream().into_iter().collect();
    let commas = outside_generics(&tokens).into_iter().filter(|(_, token)| is_punct(token, ',')).map(|(at, _)| at);
    let mut start = 0;
    commas.chain([tokens.len()]).any(|end| is_unnamed(&tokens[std::mem::replace(&mut start, end + 1)..end]))
}

/// Returns the tokens that are not between `<` and `>`, with their places.
fn outside_generics(tokens: &[TokenTree]) -> Vec<(usize, &TokenTree)> {
    let (mut depth, mut outside) = (0, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let is_arrow = at > 0 && (is_punct(&tokens[at - 1], '-') || is_punct(&tokens[at - 1], '='));
        depth += i32::from(is_punct(token, '<')) - i32::from(is_punct(token, '>') && !is_arrow);
        if depth == 0 {
            outside.push((at, token));
        }
    }
    outside
}

fn is_unnamed(parameter: &[TokenTree]) -> bool {
    let Some(colon) = parameter.iter().position(|token| is_punct(token, ':')) else { return false };
    let kind: Vec<_> = parameter[colon + 1..].iter().filter(|token| !is_of_reference(token)).collect();
    match kind[..] {
        [TokenTree::Ident(word)] => word == "bool",
        [TokenTree::Group(group)] => {
            group.delimiter() == Delimiter::Parenthesis && group.stream().into_iter().any(|token| is_punct(&token, ','))
        }
        _ => false,
    }
}

fn is_of_reference(token: &TokenTree) -> bool {
    is_punct(token, '&') || matches!(token, TokenTree::Ident(word) if word == "mut")
}
