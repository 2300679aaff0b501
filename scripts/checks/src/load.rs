//! The modules of a crate, read from its source files: what each defines, imports and mentions.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree, Visibility};

use crate::paths::{self, Mention};

/// A `use` of one name.
#[derive(Debug)]
pub(crate) struct Import {
    /// The path, beginning with `crate`, `super`, `self`, a module or another crate.
    pub(crate) path: Vec<String>,
    /// Whether it is `pub` in any way.
    pub(crate) exported: bool,
}

/// A module of a crate: a file, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Index of its file.
    pub(crate) file: usize,
    /// Index of the module around it; the root's is its own.
    pub(crate) parent: usize,
    pub(crate) children: BTreeMap<String, usize>,
    pub(crate) imports: BTreeMap<String, Import>,
    /// Paths of which all names are imported.
    pub(crate) globs: Vec<Vec<String>>,
    /// Names of the items that are written here.
    pub(crate) items: BTreeSet<String>,
    /// Paths that its code mentions.
    pub(crate) mentions: BTreeSet<Mention>,
}

/// All modules of a crate.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// The root comes first.
    pub(crate) list: Vec<Module>,
    pub(crate) files: Vec<PathBuf>,
}

impl Modules {
    /// Reads a crate from its root file, such as `core/src/lib.rs`.
    ///
    /// # Errors
    /// A file that cannot be read or parsed.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut modules = Self::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        modules.file(root, &folder, 0)?;
        Ok(modules)
    }

    /// Adds a file; `folder` is where its child modules are. Returns the index of its module.
    fn file(&mut self, path: &Path, folder: &Path, parent: usize) -> io::Result<usize> {
        let text = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
        let parsed = syn::parse_file(&text).map_err(|error| named(path, &error))?;
        self.files.push(path.to_owned());
        self.module(parsed.items, self.files.len() - 1, folder, parent)
    }

    fn module(&mut self, items: Vec<Item>, file: usize, folder: &Path, parent: usize) -> io::Result<usize> {
        let index = self.list.len();
        self.list.push(Module { file, parent, ..Module::default() });
        for item in items {
            self.item(item, index, folder)?;
        }
        Ok(index)
    }

    fn item(&mut self, item: Item, index: usize, folder: &Path) -> io::Result<()> {
        if attributes(&item).iter().any(is_test) {
            return Ok(());
        }
        match item {
            Item::Mod(child) => {
                let name = child.ident.to_string();
                let inner = folder.join(&name);
                let added = match child.content {
                    Some((_, items)) => self.module(items, self.list[index].file, &inner, index)?,
                    None => {
                        let path = child_file(folder, &name, &child.attrs);
                        self.file(&path, &inner, index)?
                    }
                };
                self.list[index].children.insert(name, added);
            }
            Item::Use(used) => {
                let exported = !matches!(used.vis, Visibility::Inherited);
                flatten(&used.tree, &mut Vec::new(), exported, &mut self.list[index]);
            }
            other => {
                self.list[index].items.extend(defined(&other));
                self.list[index].mentions.extend(paths::mentions(other.into_token_stream()));
            }
        }
        Ok(())
    }
}

pub(crate) fn named(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

pub(crate) fn child_file(folder: &Path, name: &str, attributes: &[Attribute]) -> PathBuf {
    let given = attributes.iter().filter(|one| one.path().is_ident("path")).find_map(|one| match &one.meta {
        syn::Meta::NameValue(pair) => Some(pair.value.to_token_stream().to_string().trim_matches('"').to_owned()),
        _ => None,
    });
    let flat = folder.join(given.unwrap_or_else(|| format!("{name}.rs")));
    if flat.exists() { flat } else { folder.join(name).join("mod.rs") }
}

/// Whether an attribute leaves its item out of builds that are no tests.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    let words = attribute.meta.to_token_stream().to_string();
    attribute.path().is_ident("cfg") && words.contains("test") && !words.contains("not")
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Adds every name of a `use` to the module.
fn flatten(tree: &UseTree, path: &mut Vec<String>, exported: bool, module: &mut Module) {
    let import = |name: String, path: Vec<String>, module: &mut Module| {
        module.imports.insert(name, Import { path, exported });
    };
    match tree {
        UseTree::Path(step) => {
            path.push(step.ident.to_string());
            flatten(&step.tree, path, exported, module);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, exported, module)),
        UseTree::Glob(_) => module.globs.push(path.clone()),
        UseTree::Name(name) if name.ident == "self" => {
            import(path.last().cloned().unwrap_or_default(), path.clone(), module);
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            import(name.clone(), [&path[..], &[name]].concat(), module);
        }
        UseTree::Rename(renamed) => {
            let mut whole = path.clone();
            if renamed.ident != "self" {
                whole.push(renamed.ident.to_string());
            }
            // `_` imports the methods of a trait, any number of times; code never mentions the name.
            let name = if renamed.rename == "_" { whole.join("::") } else { renamed.rename.to_string() };
            import(name, whole, module);
        }
    }
}
