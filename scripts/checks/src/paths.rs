//! The paths that a stretch of code mentions, macro calls included.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A path in code, such as `["super", "queue", "Queue"]`.
pub(crate) type Mention = Vec<String>;

/// Every path in the tokens that may lead to an item. A single lower-case name counts only where it is called, because it
/// may be a variable otherwise.
pub(crate) fn mentions(tokens: TokenStream) -> BTreeSet<Mention> {
    let mut found = BTreeSet::new();
    collect(tokens, &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut BTreeSet<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                collect(group.stream(), found);
                at += 1;
            }
            TokenTree::Ident(_) if !is_member(&tokens, at) => at = path(&tokens, at, &[], found),
            _ => at += 1,
        }
    }
}

/// Whether the name at `at` follows a dot, a `fn`, or the `::` of a path that is not ours.
fn is_member(tokens: &[TokenTree], at: usize) -> bool {
    match at.checked_sub(1).map(|before| &tokens[before]) {
        Some(TokenTree::Punct(mark)) if mark.as_char() == '.' => !(at > 1 && is_mark(tokens, at - 2, '.')),
        Some(TokenTree::Punct(mark)) => mark.as_char() == ':' && at > 1 && is_joint_colon(tokens, at - 2),
        Some(TokenTree::Ident(word)) => *word == "fn",
        _ => false,
    }
}

/// Adds the path that begins at `at`, after `before`; returns where it ends.
fn path(tokens: &[TokenTree], mut at: usize, before: &[String], found: &mut BTreeSet<Mention>) -> usize {
    let mut steps = before.to_vec();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        steps.push(name.to_string());
        at += 1;
        if !is_joint_colon(tokens, at) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at) {
            if group.delimiter() == Delimiter::Brace {
                each(group, &steps, found);
            }
            return at;
        }
    }
    let called = match tokens.get(at) {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
        Some(TokenTree::Punct(mark)) => mark.as_char() == '!' && mark.spacing() == Spacing::Alone,
        _ => false,
    };
    let lower = steps.last().is_some_and(|name| name.starts_with(|letter: char| letter.is_lowercase()));
    if steps.len() > 1 || called || !lower {
        found.insert(steps);
    }
    at
}

/// The paths of a `use` with braces inside a function.
fn each(group: &Group, before: &[String], found: &mut BTreeSet<Mention>) {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at = if matches!(tokens[at], TokenTree::Ident(_)) {
            path(&tokens, at, before, found).max(at + 1)
        } else {
            at + 1
        };
    }
}

fn is_joint_colon(tokens: &[TokenTree], at: usize) -> bool {
    let joint = matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint);
    joint && is_mark(tokens, at + 1, ':')
}

fn is_mark(tokens: &[TokenTree], at: usize, mark: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(found)) if found.as_char() == mark)
}
