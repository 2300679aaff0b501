//! Windows of time: sets of them, sorted and apart.

use eco2_core::Window;

/// The same time as sorted windows that do not touch.
pub(super) fn joined(mut windows: Vec<Window>) -> Vec<Window> {
    windows.retain(|window| window.from_ns < window.to_ns);
    windows.sort_unstable();
    let mut out: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match out.last_mut().filter(|last| window.from_ns <= last.to_ns) {
            Some(last) => last.to_ns = last.to_ns.max(window.to_ns),
            None => out.push(window),
        }
    }
    out
}

/// The shortest window that holds both.
pub(super) fn hull(one: Window, other: Window) -> Window {
    Window { from_ns: one.from_ns.min(other.from_ns), to_ns: one.to_ns.max(other.to_ns) }
}

/// The time of `windows` without that of `holes`, both as [`joined`] leaves them.
pub(super) fn without(windows: &[Window], holes: &[Window]) -> Vec<Window> {
    let mut out = Vec::new();
    for window in windows {
        let mut from_ns = window.from_ns;
        let ended = holes.partition_point(|hole| hole.to_ns <= window.from_ns);
        for hole in holes.iter().skip(ended).take_while(|hole| hole.from_ns < window.to_ns) {
            out.push(Window { from_ns, to_ns: hole.from_ns });
            from_ns = hole.to_ns;
        }
        out.push(Window { from_ns, to_ns: window.to_ns });
    }
    out.retain(|window| window.from_ns < window.to_ns);
    out
}

/// Length of windows that are apart, nanoseconds.
pub(super) fn length_ns(windows: &[Window]) -> u64 {
    windows.iter().fold(0, |sum: u64, window| sum.saturating_add(window.to_ns - window.from_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(pairs: &[(u64, u64)]) -> Vec<Window> {
        pairs.iter().map(|&(from_ns, to_ns)| Window { from_ns, to_ns }).collect()
    }

    #[test]
    fn windows_are_joined_and_cut() {
        assert_eq!(joined(windows(&[(5, 7), (0, 3), (2, 5), (9, 9)])), windows(&[(0, 7)]));
        let cut = without(&windows(&[(0, 10), (20, 30)]), &windows(&[(2, 3), (8, 22), (40, 50)]));
        assert_eq!(cut, windows(&[(0, 2), (3, 8), (22, 30)]));
        assert_eq!(length_ns(&cut), 2 + 5 + 8);
    }
}
