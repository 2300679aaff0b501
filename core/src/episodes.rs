//! Episodes ([`Episodes`]): times in which a state lasted, such as an idle or hot device, or a run in which no step ended.
//! Memory is bounded: all episodes are counted, and the longer ones are kept with start and end.

/// Most episodes that are kept with start and end (16 kB). Of more, the shorter half is only counted.
const MAX_KEPT: usize = 1024;

/// Episodes of one kind. Times are nanoseconds on one clock.
///
/// ```
/// use eco2_core::Episodes;
///
/// let mut idle = Episodes::default();
/// for (at_ns, is_idle) in [(10, true), (30, true), (40, false), (50, false)] {
///     idle.see(at_ns, is_idle);
/// }
/// assert_eq!((idle.count, idle.total_ns), (1, 20)); // from 10 to 30
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Episodes {
    /// Number of episodes that have ended.
    pub count: u64,
    /// Sum of their lengths, nanoseconds.
    pub total_ns: u64,
    /// Length of the longest one, nanoseconds.
    pub longest_ns: u64,
    /// Start and end of those that are kept, in the order in which they were added.
    pub kept: Vec<(u64, u64)>,
    /// First and last instant of the episode that goes on now.
    open: Option<(u64, u64)>,
}

impl Episodes {
    /// Records whether the state holds at an instant, later than the last one. An episode lasts from the first to the last
    /// instant at which the state was seen to hold. One with a single instant has length 0, and counts as well.
    pub fn see(&mut self, at_ns: u64, holds: bool) {
        match (&mut self.open, holds) {
            (Some((_, last_ns)), true) => *last_ns = at_ns.max(*last_ns),
            (None, true) => self.open = Some((at_ns, at_ns)),
            (_, false) => self.end(),
        }
    }

    /// Ends the present episode at the last instant at which the state was seen to hold.
    pub fn end(&mut self) {
        if let Some((from_ns, to_ns)) = self.open.take() {
            self.count_in(from_ns, to_ns);
        }
    }

    /// Adds an episode with a known start and end; one of length 0 is ignored.
    ///
    /// ```
    /// let mut stalls = eco2_core::Episodes::default();
    /// stalls.add(100, 400);
    /// stalls.add(900, 1_000);
    /// assert_eq!((stalls.longest_ns, stalls.total_ns), (300, 400));
    /// ```
    pub fn add(&mut self, from_ns: u64, to_ns: u64) {
        if to_ns > from_ns {
            self.count_in(from_ns, to_ns);
        }
    }

    /// Counts an episode and keeps its start and end.
    fn count_in(&mut self, from_ns: u64, to_ns: u64) {
        let lasted_ns = to_ns.saturating_sub(from_ns);
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(lasted_ns);
        self.longest_ns = self.longest_ns.max(lasted_ns);
        if self.kept.len() == MAX_KEPT {
            self.thin();
        }
        self.kept.push((from_ns, to_ns));
    }

    /// Drops start and end of the shorter half.
    fn thin(&mut self) {
        let length = |(from_ns, to_ns): &(u64, u64)| to_ns - from_ns;
        let mut lengths: Vec<u64> = self.kept.iter().map(length).collect();
        lengths.sort_unstable();
        let middle_ns = lengths[MAX_KEPT / 2];
        let mut room = MAX_KEPT / 2;
        self.kept.retain(|episode| {
            let stays = length(episode) >= middle_ns && room > 0;
            room -= usize::from(stays);
            stays
        });
    }

    /// Returns a copy in which the present episode has ended at the last instant at which the state was seen to hold.
    ///
    /// ```
    /// let mut hot = eco2_core::Episodes::default();
    /// hot.see(0, true);
    /// hot.see(5, true);
    /// assert_eq!((hot.count, hot.so_far().count), (0, 1)); // still open
    /// ```
    #[must_use]
    pub fn so_far(&self) -> Self {
        let mut episodes = self.clone();
        episodes.end();
        episodes
    }

    /// Whether start and end of all episodes are kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == self.kept.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_lasts_as_long_as_it_was_seen() {
        let mut episodes = Episodes::default();
        for (at_ns, holds) in [(10, false), (20, true), (30, true), (40, false), (50, true), (60, false), (70, true)] {
            episodes.see(at_ns, holds);
        }
        episodes.see(90, true);
        assert_eq!((episodes.count, episodes.total_ns, episodes.kept.as_slice()), (2, 10, &[(20, 30), (50, 50)][..]));
        let episodes = episodes.so_far();
        assert_eq!((episodes.count, episodes.total_ns, episodes.longest_ns), (3, 30, 20));
        assert!(episodes.is_whole());
    }

    #[test]
    fn of_too_many_the_longer_ones_are_kept_and_all_are_counted() {
        let mut episodes = Episodes::default();
        for episode in 0..10_000u64 {
            episodes.add(episode * 1_000, episode * 1_000 + 1 + episode % 10);
        }
        assert_eq!((episodes.count, episodes.total_ns), (10_000, 55_000));
        assert!(episodes.kept.len() <= MAX_KEPT && episodes.kept.len() >= MAX_KEPT / 2);
        assert!(!episodes.is_whole());
    }
}
