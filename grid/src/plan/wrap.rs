//! Turns shares of a stretch of time into times on machines: McNaughton's wrap-around rule (1959).
//!
//! Shares none of which is longer than the stretch, and which together fill at most all machines, are laid end to end
//! and cut at the stretch's length: what is cut goes on at the next machine's beginning. The two parts of a job that
//! was cut never overlap, as the job is not longer than the stretch.

/// Times of every share within a stretch of `length_ns`: `(share, from_ns, to_ns)` from the stretch's start.
pub(super) fn wrap_around(shares_ns: &[(usize, i64)], length_ns: i64) -> Vec<(usize, i64, i64)> {
    let (mut times, mut at_ns) = (Vec::new(), 0);
    for &(job, share_ns) in shares_ns {
        let first_ns = share_ns.min(length_ns - at_ns);
        if first_ns < share_ns {
            times.push((job, 0, share_ns - first_ns));
        }
        times.push((job, at_ns, at_ns + first_ns));
        at_ns = (at_ns + share_ns) % length_ns;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_cut_never_runs_beside_itself() {
        // Three jobs of 40 on two machines of 60.
        assert_eq!(wrap_around(&[(0, 40), (1, 40), (2, 40)], 60), [(0, 0, 40), (1, 0, 20), (1, 40, 60), (2, 20, 60)]);
    }
}
