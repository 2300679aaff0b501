//! From a path to the module that defines the item, re-exports followed.

use crate::load::{Module, Modules};

/// Steps of one path that are followed at most; re-exports that lead in a circle end there.
const LONGEST: u32 = 32;

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// To a module.
    Module(usize),
    /// To an item that is written in this module.
    Item(usize),
}

impl Modules {
    /// Where a path leads from a module; `None` where it leaves the crate or is no path of items.
    pub(crate) fn resolve(&self, from: usize, path: &[String]) -> Option<Found> {
        self.follow(from, path, LONGEST)
    }

    fn follow(&self, from: usize, path: &[String], depth: u32) -> Option<Found> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(from),
            "super" => Found::Module(self.list[from].parent),
            name => self.name(from, name, depth)?,
        };
        rest.iter().try_fold(start, |place, step| match place {
            Found::Item(_) => Some(place),
            Found::Module(at) if step == "super" => Some(Found::Module(self.list[at].parent)),
            Found::Module(at) if step == "self" => Some(Found::Module(at)),
            // A name that only a macro can have made is the module's own.
            Found::Module(at) => Some(self.name(at, step, depth).unwrap_or(Found::Item(at))),
        })
    }

    /// What a name means in a module.
    fn name(&self, at: usize, name: &str, depth: u32) -> Option<Found> {
        let module: &Module = &self.list[at];
        if let Some(&child) = module.children.get(name) {
            return Some(Found::Module(child));
        }
        if module.items.contains(name) {
            return Some(Found::Item(at));
        }
        if let Some(import) = module.imports.get(name) {
            // `use x::x` names another crate or a sibling, never itself.
            return if import.path.first().is_some_and(|first| first == name) {
                None
            } else {
                self.follow(at, &import.path, depth)
            };
        }
        module.globs.iter().find_map(|glob| match self.follow(at, glob, depth)? {
            Found::Module(target) if target != at => self.name(target, name, depth.checked_sub(1)?),
            _ => None,
        })
    }

    /// Whether `inner` lies inside `outer`.
    pub(crate) fn is_within(&self, inner: usize, outer: usize) -> bool {
        let mut at = inner;
        while at != 0 && at != outer {
            at = self.list[at].parent;
        }
        at == outer
    }
}
