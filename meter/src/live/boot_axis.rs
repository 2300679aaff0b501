//! Boot time of monotonic instants: the two clocks drift apart while the machine sleeps.

/// Where the boot-time clock stood, by the monotonic clock: their distance grows when the machine sleeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct BootAxis {
    /// From which monotonic instant on, and how far ahead boot time is then; in order.
    offsets: Vec<(u64, u64)>,
}

impl BootAxis {
    /// Boot time is ahead by `offset_ns` from `mono_ns` on.
    pub(crate) fn set(&mut self, mono_ns: u64, offset_ns: u64) {
        self.offsets.push((mono_ns, offset_ns));
    }

    /// Boot time of a monotonic instant, nanoseconds.
    pub(crate) fn at(&self, mono_ns: u64) -> u64 {
        let passed = self.offsets.iter().rev().find(|(from_ns, _)| *from_ns <= mono_ns);
        let (_, offset_ns) = passed.or(self.offsets.first()).copied().unwrap_or_default();
        mono_ns.saturating_add(offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_moves_the_boot_clock_on() {
        let mut axis = BootAxis::default();
        axis.set(100, 5);
        axis.set(200, 50);
        assert_eq!([axis.at(90), axis.at(150), axis.at(200), axis.at(300)], [95, 155, 250, 350]);
        assert_eq!(BootAxis::default().at(7), 7);
    }
}
