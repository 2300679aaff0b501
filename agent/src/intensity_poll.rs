//! Asks the sources of carbon intensities again and again ([`IntensityPoll`]), on a thread of its own: a service may take seconds. A file
//! is read again when it has changed.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use eco2_grid::pricing::{IntensitySources, When};
use eco2_samplers::clock::wall_ns;

use crate::feed::Requests;
use crate::prices::has_answer;
use crate::requests::Request;

/// Pause between two requests: grid operators publish values every 5 to 60 minutes.
const PAUSE: Duration = Duration::from_secs(300);
/// Pause while no source has answered yet, as before the network of a machine is up.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const HOUR_NS: i64 = 3_600_000_000_000;
/// Each request is about the last hour, for values that were published late, and the rest of this hour and the next, so that a request
/// that fails leaves the value of the time until the next one.
const PAST_NS: i64 = HOUR_NS;

/// The thread. It ends when this is dropped, after a request that it waits for.
#[derive(Debug)]
pub(crate) struct IntensityPoll(#[expect(dead_code, reason = "the thread ends when it is dropped")] Sender<()>);

impl IntensityPoll {
    /// Starts the thread. Where the system refuses it there are no answers.
    pub(crate) fn start(sources: IntensitySources, requests: Requests) -> Self {
        let (running, ended) = channel();
        let sources = sources.following_file();
        let ask = move || {
            let mut is_answered = false;
            loop {
                let asked_ns = wall_ns();
                let coverage = sources.cover(&around(asked_ns), asked_ns);
                is_answered |= has_answer(&coverage);
                // Without room for it, the next one brings the same.
                let _ = requests.pass(Request::Intensities { coverage, asked_ns });
                let pause = if is_answered { PAUSE } else { FIRST_PAUSE };
                if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        drop(std::thread::Builder::new().name("eco2-grid".to_owned()).spawn(ask));
        Self(running)
    }
}

/// Returns the time that is asked for at `now_ns`, nanoseconds since 1970.
fn around(now_ns: i64) -> When {
    let from_ns = now_ns.saturating_sub(PAST_NS);
    let to_ns = now_ns.div_euclid(HOUR_NS).saturating_add(2).saturating_mul(HOUR_NS);
    let lasted_ns = u64::try_from(to_ns.saturating_sub(from_ns)).unwrap_or(0);
    When { from: String::new(), to: String::new(), from_ns, lasted_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_about_the_last_hour_and_until_the_end_of_the_next() {
        let when = around(7 * HOUR_NS / 2);
        assert_eq!((when.from_ns, when.to_ns()), (5 * HOUR_NS / 2, 5 * HOUR_NS));
    }
}
