//! Which file imports which, and the circles in that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::load::Modules;
use crate::resolve::Found;

/// Files that import each other, directly or through others of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// The files.
    pub files: Vec<PathBuf>,
    /// The imports between them: from, to, and the paths that are imported.
    pub imports: Vec<(PathBuf, PathBuf, Vec<String>)>,
}

/// From file to file, with the paths that lead there.
type Edges = BTreeMap<(usize, usize), BTreeSet<String>>;

/// The circles of the crate with this root file, such as `core/src/lib.rs`, the largest first.
///
/// # Errors
/// A source file that cannot be read or parsed.
pub fn circles(root: &Path) -> io::Result<Vec<Circle>> {
    let modules = Modules::read(root)?;
    let edges = edges(&modules);
    let mut found: Vec<Circle> =
        components(modules.files.len(), &edges).iter().map(|members| circle(&modules, &edges, members)).collect();
    found.sort_by_key(|circle| (std::cmp::Reverse(circle.files.len()), circle.files.clone()));
    Ok(found)
}

fn circle(modules: &Modules, edges: &Edges, members: &BTreeSet<usize>) -> Circle {
    let path = |file: usize| modules.files[file].clone();
    let inside = edges.iter().filter(|((from, to), _)| members.contains(from) && members.contains(to));
    Circle {
        files: members.iter().map(|&file| path(file)).collect(),
        imports: inside.map(|((from, to), what)| (path(*from), path(*to), what.iter().cloned().collect())).collect(),
    }
}

fn edges(modules: &Modules) -> Edges {
    let mut edges = Edges::new();
    for (index, module) in modules.list.iter().enumerate() {
        let mut add = |path: &[String], target: usize| {
            let to = modules.list[target].file;
            if to != module.file {
                edges.entry((module.file, to)).or_default().insert(path.join("::"));
            }
        };
        for import in module.imports.values() {
            match modules.resolve(index, &import.path) {
                // The contents page of a module may list what lies inside it.
                Some(Found::Item(target)) if !(import.exported && modules.is_within(target, index)) => {
                    add(&import.path, target);
                }
                _ => {}
            }
        }
        for path in &module.mentions {
            if let Some(Found::Item(target)) = modules.resolve(index, path) {
                add(path, target);
            }
        }
    }
    edges
}

/// The strongly connected components of more than one file: those that reach each other.
fn components(files: usize, edges: &Edges) -> Vec<BTreeSet<usize>> {
    let mut next = vec![Vec::new(); files];
    edges.keys().for_each(|&(from, to)| next[from].push(to));
    let reached: Vec<BTreeSet<usize>> = (0..files).map(|file| reach(file, &next)).collect();
    let mut found: Vec<BTreeSet<usize>> = Vec::new();
    for file in 0..files {
        if found.iter().any(|members| members.contains(&file)) {
            continue;
        }
        let members: BTreeSet<usize> =
            reached[file].iter().copied().filter(|&other| reached[other].contains(&file)).collect();
        if members.len() > 1 {
            found.push(members);
        }
    }
    found
}

/// The files that a file imports, directly or through others.
fn reach(file: usize, next: &[Vec<usize>]) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(at) = open.pop() {
        open.extend(next[at].iter().copied().filter(|&to| seen.insert(to)));
    }
    seen
}
