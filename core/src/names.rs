//! Interned span names: a name costs its text once, a record only a number.

use std::collections::HashMap;

/// An interned name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(
    /// Its place in the table, for event rings and C.
    pub u32,
);

/// The table of names.
#[derive(Debug, Clone)]
pub struct Names {
    ids: HashMap<String, NameId>,
    texts: Vec<String>,
    cap: usize,
    overflow: u64,
}

impl Names {
    /// Names that a live run may use; more share one name and are counted.
    pub const LIVE_CAP: usize = 4096;
    /// What names over the cap are accounted under.
    const OVERFLOW: &str = "(more names)";

    /// A table that holds up to `cap` names; `usize::MAX` for replay.
    ///
    /// ```
    /// use eco2_core::Names;
    ///
    /// let mut names = Names::new(1);
    /// names.intern("forward");
    /// let more = names.intern("backward"); // over the cap
    /// assert_eq!((names.text(more), names.overflow()), ("(more names)", 1));
    /// ```
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self { ids: HashMap::new(), texts: Vec::new(), cap, overflow: 0 }
    }

    /// The id of a name, made on first use.
    pub fn intern(&mut self, name: &str) -> NameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.texts.len() >= self.cap && name != Self::OVERFLOW {
            self.overflow += 1;
            return self.intern(Self::OVERFLOW);
        }
        let id = NameId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// The id of a name that was interned.
    ///
    /// ```
    /// let mut names = eco2_core::Names::new(16);
    /// assert_eq!(names.find("step"), None);
    /// let step = names.intern("step");
    /// assert_eq!(names.find("step"), Some(step));
    /// ```
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    /// The text of an id; empty for an id that no table gave.
    #[must_use]
    pub fn text(&self, id: NameId) -> &str {
        self.texts.get(id.0 as usize).map_or("", String::as_str)
    }

    /// Interning calls that found the table full.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_over_the_cap_share_one_and_are_counted() {
        let mut names = Names::new(2);
        let (a, b) = (names.intern("a"), names.intern("b"));
        assert_eq!(names.intern("a"), a);
        let more = names.intern("c");
        assert_eq!(names.intern("d"), more);
        assert_ne!(more, b);
        assert_eq!((names.text(more), names.overflow()), (Names::OVERFLOW, 2));
    }
}
