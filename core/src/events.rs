//! Carries the starts and ends of spans (timed parts of the program) from the program's threads to the accounting
//! thread, the one that computes energies.
//!
//! Each thread claims a [`Producer`] from the [`EventPool`] when it first records. The producer records into a ring that
//! only it writes and only the one [`EventConsumer`] reads. The first claim of a ring allocates it. Recording stores the
//! event's two words and the ring's new length; it allocates nothing, locks nothing, makes no system call and never
//! waits. When a ring is full whole spans are dropped, never half ones, because a start reserves room for its end too. Dropped spans
//! are counted.
//!
//! A ring whose producer was dropped is drained once more, then given to the next thread. Its *generation*, the number
//! of threads that had it before, distinguishes the events of one thread from those of the next.

mod lane;
mod pool;
mod producer;
pub(crate) mod spsc;

pub use lane::{Drained, SpanEvent, SpanEventKind};
pub use pool::{EventConsumer, EventPool};
pub use producer::{MAX_OPEN, Producer};
