//! The table of span names ([`Names`]): each name is stored once, and records hold its number ([`NameId`]). A span is a named
//! part of a run.

use std::collections::HashMap;

/// Returns the text, or its first part that is at most this long and ends between two characters.
///
/// ```
/// assert_eq!(eco2_core::cut_text("Zürich", 2), "Z"); // ü takes two bytes
/// ```
#[must_use]
pub fn cut_text(text: &str, most_bytes: usize) -> &str {
    if text.len() <= most_bytes {
        return text;
    }
    let ends = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= most_bytes);
    &text[..ends.last().unwrap_or(0)]
}

/// Number of a name in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(
    /// Its place in the table, for event rings and C.
    pub u32,
);

/// The table of names, with a limit on their number.
#[derive(Debug, Clone)]
pub struct Names {
    ids: HashMap<String, NameId>,
    /// The names, by number.
    texts: Vec<String>,
    /// Most names that the table holds.
    cap: usize,
    /// Number of calls that found the table full.
    overflow: u64,
}

impl Names {
    /// Most names of a live run, so that names made of numbers (`step 17`) do not fill memory. More share one name and are
    /// counted.
    pub const LIVE_CAP: usize = 4096;
    /// The name that names above the limit share.
    const OVERFLOW: &str = "(more names)";

    /// Returns a table that holds up to `cap` names; `usize::MAX` for replay.
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

    /// Returns the id of a name, which is added on first use.
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

    /// Returns the id of a name; `None` if it is not in the table.
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

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the text of an id; empty for an unknown id.
    #[must_use]
    pub fn text(&self, id: NameId) -> &str {
        self.texts.get(id.0 as usize).map_or("", String::as_str)
    }

    /// Returns the number of calls of [`Names::intern`] that found the table full.
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
