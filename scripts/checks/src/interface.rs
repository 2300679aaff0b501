//! The public interface of a crate as lines of text, one for each public item, and what a new version takes away from it.
//!
//! The compiler refuses a `pub` item that no other crate can reach (`unreachable_pub`), so that each item with `pub` counts. A line has no
//! path of a module: an item may move between private modules. Gaps: what a macro writes, and fields or variants that are added.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Type, Visibility};

use crate::load::{attributes, child_file, is_test, named};

/// Returns the lines of the crate with this root file, such as `core/src/lib.rs`.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn interface(root: &Path) -> io::Result<BTreeSet<String>> {
    let mut reader = Reader::default();
    reader.file(root, root.parent().unwrap_or(Path::new("")))?;
    let Reader { mut lines, types, implemented } = reader;
    lines.extend(implemented.into_iter().filter(|(name, _)| types.contains(name)).map(|(_, line)| line));
    Ok(lines)
}

/// Returns the lines that a version lacks although its number promises them: those of the earlier version, unless the number of what
/// may break is higher (the major, and before 1.0 the minor; <https://doc.rust-lang.org/cargo/reference/semver.html>).
#[must_use]
pub fn broken(released: (&str, &BTreeSet<String>), now: (&str, &BTreeSet<String>)) -> Vec<String> {
    if series(released.0) != series(now.0) {
        return Vec::new();
    }
    released.1.difference(now.1).cloned().collect()
}

/// The part of a version within which nothing may break: `1` of 1.2.3, `0.2` of 0.2.3.
fn series(version: &str) -> &str {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(parts - 1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

#[derive(Default)]
struct Reader {
    lines: BTreeSet<String>,
    /// Names of public types.
    types: BTreeSet<String>,
    /// Lines of `impl` blocks with the name of their type, which may be private.
    implemented: Vec<(String, String)>,
}

impl Reader {
    fn file(&mut self, path: &Path, folder: &Path) -> io::Result<()> {
        let text = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
        let parsed = syn::parse_file(&text).map_err(|error| named(path, &error))?;
        parsed.items.iter().try_for_each(|item| self.item(item, folder))
    }

    fn item(&mut self, item: &Item, folder: &Path) -> io::Result<()> {
        if attributes(item).iter().any(is_test) {
            return Ok(());
        }
        match item {
            Item::Mod(child) => {
                let name = child.ident.to_string();
                if is_public(&child.vis) {
                    self.lines.insert(format!("mod {name}"));
                }
                let inner: PathBuf = folder.join(&name);
                return match &child.content {
                    Some((_, items)) => items.iter().try_for_each(|item| self.item(item, &inner)),
                    None => self.file(&child_file(folder, &name, &child.attrs), &inner),
                };
            }
            Item::Impl(block) => self.block(block),
            Item::Struct(it) if is_public(&it.vis) => self.structure(it),
            Item::Enum(it) if is_public(&it.vis) => {
                self.kind("enum", &it.ident, &it.generics, &it.attrs);
                for variant in &it.variants {
                    self.lines.insert(format!("{}::{}{}", it.ident, variant.ident, words(&variant.fields)));
                }
            }
            Item::Trait(it) if is_public(&it.vis) => {
                self.kind("trait", &it.ident, &it.generics, &[]);
                for inner in &it.items {
                    let line = match inner {
                        TraitItem::Fn(method) => words(&method.sig),
                        TraitItem::Type(part) => format!("type {}", part.ident),
                        TraitItem::Const(part) => format!("const {}: {}", part.ident, words(&part.ty)),
                        _ => continue,
                    };
                    self.lines.insert(format!("{}::{line}", it.ident));
                }
            }
            Item::Fn(it) if is_public(&it.vis) => self.add(words(&it.sig)),
            Item::Const(it) if is_public(&it.vis) => self.add(format!("const {}: {}", it.ident, words(&it.ty))),
            Item::Static(it) if is_public(&it.vis) => self.add(format!("static {}: {}", it.ident, words(&it.ty))),
            Item::Type(it) if is_public(&it.vis) => {
                self.add(format!("type {}{} = {}", it.ident, words(&it.generics), words(&it.ty)))
            }
            Item::Use(it) if is_public(&it.vis) => exported(&it.tree, &mut self.lines),
            Item::Macro(it) if it.attrs.iter().any(|one| one.path().is_ident("macro_export")) => {
                self.add(format!("macro {}", it.ident.as_ref().map(ToString::to_string).unwrap_or_default()));
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, line: String) {
        self.lines.insert(line);
    }

    /// A type or trait, and the traits that it derives.
    fn kind(&mut self, kind: &str, name: &syn::Ident, generics: &syn::Generics, attributes: &[Attribute]) {
        self.types.insert(name.to_string());
        self.lines.insert(format!("{kind} {name}{}", words(generics)));
        for derive in attributes.iter().filter(|one| one.path().is_ident("derive")) {
            let _ = derive.parse_nested_meta(|meta| {
                self.lines.insert(format!("impl {} for {name}", words(&meta.path)));
                Ok(())
            });
        }
    }

    fn structure(&mut self, it: &syn::ItemStruct) {
        self.kind("struct", &it.ident, &it.generics, &it.attrs);
        for (at, field) in it.fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
            let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
            self.lines.insert(format!("{}.{name}: {}", it.ident, words(&field.ty)));
        }
        if matches!(it.fields, Fields::Unit) {
            self.lines.insert(format!("{} {{}}", it.ident));
        }
    }

    fn block(&mut self, block: &syn::ItemImpl) {
        let Type::Path(path) = &*block.self_ty else { return };
        let Some(name) = path.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
        if let Some((implemented, _)) = &block.trait_ {
            self.implemented.push((name.clone(), format!("impl {} for {name}", words(implemented))));
            return;
        }
        for inner in &block.items {
            let line = match inner {
                ImplItem::Fn(method) if is_public(&method.vis) => words(&method.sig),
                ImplItem::Const(part) if is_public(&part.vis) => format!("const {}: {}", part.ident, words(&part.ty)),
                _ => continue,
            };
            self.implemented.push((name.clone(), format!("{name}::{line}")));
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Adds each name that a `pub use` exports, by the name that others write.
fn exported(tree: &syn::UseTree, lines: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(step) => exported(&step.tree, lines),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| exported(tree, lines)),
        syn::UseTree::Name(name) => drop(lines.insert(format!("use {}", name.ident))),
        syn::UseTree::Rename(renamed) => drop(lines.insert(format!("use {}", renamed.rename))),
        syn::UseTree::Glob(_) => {}
    }
}

/// Source as tokens with a blank between two, so that its layout does not count.
fn words(source: &impl ToTokens) -> String {
    source.to_token_stream().to_string()
}
