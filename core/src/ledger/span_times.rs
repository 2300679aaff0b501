//! Keeps when the spans of each name ran, in bounded memory, for charts over time. Spans of one name whose distance is short
//! are one *part*; the distance up to which they are joined grows with the number of parts.

use crate::NameId;

/// Names whose times are kept: more lanes than a chart can show.
const MAX_NAMES: usize = 16;
/// Most parts of all names together.
const MAX_PARTS: usize = 256;
/// First distance up to which spans are joined once there are too many parts, nanoseconds.
const FIRST_DISTANCE_NS: u64 = 1_000_000;

/// When the spans of one name ran.
#[derive(Debug)]
pub(crate) struct NameTimes {
    pub(crate) name: NameId,
    /// Start and end of each part, monotonic nanoseconds, in order; no two touch.
    pub(crate) parts: Vec<(u64, u64)>,
}

/// When the spans of a run ran. Names after the first [`MAX_NAMES`] are left out.
#[derive(Debug, Default)]
pub(crate) struct SpanTimes {
    pub(crate) names: Vec<NameTimes>,
    /// Spans of a name with at most this distance are one part, nanoseconds.
    pub(crate) joined_ns: u64,
    /// Number of parts of all names.
    parts: usize,
}

impl SpanTimes {
    /// Adds a span, or adjacent ones of one name. Spans come about in the order in which they end.
    pub(crate) fn add(&mut self, name: NameId, from_ns: u64, to_ns: u64) {
        let known = self.names.iter().position(|times| times.name == name);
        let place = match known {
            Some(place) => place,
            None if self.names.len() < MAX_NAMES => {
                self.names.push(NameTimes { name, parts: Vec::new() });
                self.names.len() - 1
            }
            None => return,
        };
        let parts = &mut self.names[place].parts;
        let before = parts.len();
        push(parts, (from_ns, to_ns), self.joined_ns);
        self.parts = self.parts + parts.len() - before;
        while self.parts > MAX_PARTS {
            self.join_more();
        }
    }

    /// Doubles the distance up to which spans are joined.
    fn join_more(&mut self) {
        self.joined_ns = self.joined_ns.saturating_mul(2).max(FIRST_DISTANCE_NS);
        for times in &mut self.names {
            let parts = std::mem::take(&mut times.parts);
            parts.into_iter().for_each(|part| push(&mut times.parts, part, self.joined_ns));
        }
        self.parts = self.names.iter().map(|times| times.parts.len()).sum();
    }
}

/// Adds a part, joined with those at the end that it touches: a long span may contain several that ended before.
fn push(parts: &mut Vec<(u64, u64)>, (mut from_ns, mut to_ns): (u64, u64), joined_ns: u64) {
    while let Some((start_ns, end_ns)) =
        parts.last().copied().filter(|(_, end_ns)| from_ns <= end_ns.saturating_add(joined_ns))
    {
        (from_ns, to_ns) = (from_ns.min(start_ns), to_ns.max(end_ns));
        parts.pop();
    }
    parts.push((from_ns, to_ns));
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: NameId = NameId(0);
    const CHECK: NameId = NameId(1);

    #[test]
    fn adjacent_spans_are_one_part_and_others_are_not() {
        let mut times = SpanTimes::default();
        for (name, from_ns, to_ns) in [(STEP, 0, 5), (STEP, 5, 9), (CHECK, 9, 20), (STEP, 20, 30), (CHECK, 2, 40)] {
            times.add(name, from_ns, to_ns);
        }
        assert_eq!(times.names[0].parts, [(0, 9), (20, 30)]);
        assert_eq!(times.names[1].parts, [(2, 40)], "a span around others of its name");
    }

    #[test]
    fn number_of_parts_and_names_is_bounded() {
        let mut times = SpanTimes::default();
        const SECOND: u64 = 1_000_000_000;
        for second in 0..10_000 {
            times.add(STEP, second * SECOND, second * SECOND + SECOND / 2);
            times.add(NameId(2 + second as u32), second * SECOND, second * SECOND + SECOND / 2);
        }
        assert_eq!(times.names.len(), MAX_NAMES);
        assert!(
            times.parts <= MAX_PARTS && times.parts == times.names.iter().map(|one| one.parts.len()).sum::<usize>()
        );
        assert_eq!(
            (times.names[0].parts[0].0, times.names[0].parts.last().unwrap().1),
            (0, 9_999 * SECOND + SECOND / 2)
        );
    }
}
