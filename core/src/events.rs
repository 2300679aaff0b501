//! Events: how the training's threads report the starts and ends of spans to the accounting thread, at the cost of two
//! stores.
//!
//! Each thread claims a [`Producer`] from the [`EventPool`] that was allocated when the meter opened, and records into
//! the single-producer single-consumer ring behind it. The one [`EventConsumer`] drains all rings. Recording allocates
//! nothing, locks nothing, makes no system call and never waits. When a ring is full whole spans are dropped, never
//! half ones, and they are counted: a start reserves room for its end too.
//!
//! A ring whose producer was dropped is drained once more, then given to the next thread under a new generation.

mod lane;
mod pool;
mod producer;
pub(crate) mod spsc;

pub use lane::{Drained, SpanEvent, SpanEventKind};
pub use pool::{EventConsumer, EventPool};
pub use producer::{MAX_OPEN, Producer};
