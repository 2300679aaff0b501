//! [`ForkGuard`] notices that this process is a fork of the one that opened the meter: the sampling thread, which reads
//! the sensors, does not exist here.
//!
//! One mechanism: `pthread_atfork` counts generations in one static word. It was preferred to a `MADV_WIPEONFORK`
//! page because asking is a single relaxed load of a static (a page needs its pointer first), it needs no kernel
//! support, and a child that opens a meter of its own starts from its own generation. A child made by a bare `clone`
//! system call is not seen; `vfork` and `posix_spawn` children share our memory and are rightly not counted.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static REGISTER: Once = Once::new();

extern "C" fn count_child() {
    // Relaxed: the child has one thread, and nothing else is published by this word.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The process in which something was opened.
///
/// ```
/// use eco2_samplers::ForkGuard;
///
/// let opened_in = ForkGuard::here();
/// assert!(!opened_in.forked()); // true in a forked child: the sampling thread does not exist there
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkGuard(u32);

impl ForkGuard {
    /// Returns a guard for this process. The first call registers the handler that forks run.
    #[must_use]
    pub fn here() -> Self {
        REGISTER.call_once(|| {
            // SAFETY: the handler is a static function that only adds to an atomic, which is async-signal-safe as a
            // handler in a forked child must be. Failure (out of memory) leaves forks unseen, as without it.
            unsafe { libc::pthread_atfork(None, None, Some(count_child)) };
        });
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether the process was forked since. It costs one relaxed load.
    #[must_use]
    #[inline]
    pub fn forked(self) -> bool {
        GENERATION.load(Ordering::Relaxed) != self.0
    }
}
