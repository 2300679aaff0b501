//! Limits how often callers may ask ([`RateLimit`]), if the server has such a limit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::access::Rights;

/// Callers that are counted separately; further ones share a count.
const MOST_CALLERS: usize = 64;
const MINUTE_NS: u64 = 60_000_000_000;

/// A limit on requests per minute, for each kind of caller: a user at the socket, the bearers of the token, all others.
///
/// What was not used in a minute is not kept: after a rest, at most the requests of one minute are taken at once.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_minute: u32,
    /// By caller: when what was asked so far is paid for, monotonic nanoseconds.
    paid_ns: Mutex<HashMap<Rights, u64>>,
}

impl RateLimit {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute.max(1), paid_ns: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// Seconds to wait, if there were too many.
    pub(crate) fn take(&self, rights: Rights, now_ns: u64) -> Result<(), u64> {
        let mut paid_ns = self.paid_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = paid_ns.len() < MOST_CALLERS || paid_ns.contains_key(&rights);
        let paid = paid_ns.entry(if is_known { rights } else { Rights::Nothing }).or_insert(now_ns);
        let after = (*paid).max(now_ns).saturating_add(MINUTE_NS / u64::from(self.per_minute));
        match after.saturating_sub(now_ns) {
            ahead if ahead > MINUTE_NS => Err((ahead - MINUTE_NS).div_ceil(1_000_000_000).max(1)),
            _ => {
                *paid = after;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_the_requests_of_a_minute_and_learns_when_to_come_back() {
        let limit = RateLimit::new(60);
        let taken = |rights, now_ns| (0..1_000).take_while(|_| limit.take(rights, now_ns).is_ok()).count();
        let start = 5 * MINUTE_NS;
        assert_eq!(taken(Rights::Coarse, start), 60);
        assert_eq!(limit.take(Rights::Coarse, start), Err(1));
        assert_eq!(taken(Rights::Own(1000), start), 60, "another caller");
        assert_eq!(taken(Rights::Coarse, start + MINUTE_NS / 6), 10, "one a second");
        assert_eq!(taken(Rights::Coarse, start + 10 * MINUTE_NS), 60, "no more than those of a minute");
    }

    #[test]
    fn number_of_callers_is_bounded() {
        let limit = RateLimit::new(1);
        for uid in 0..1_000 {
            limit.take(Rights::Own(uid), 1).ok();
        }
        assert!(limit.paid_ns.lock().unwrap().len() <= MOST_CALLERS + 1);
    }
}
