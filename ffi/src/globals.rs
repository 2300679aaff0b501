//! What belongs to the process and to no meter: the log callback and the sources that wait for a meter.
//!
//! A forked child begins with none of it: its parent's locks may be held for ever, its callbacks may be unfit.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};

use eco2_samplers::ForkGuard;

use crate::log::Hook;
use crate::source::Registered;

/// State of one process.
pub(crate) struct Globals {
    born: ForkGuard,
    pub(crate) hook: Mutex<Option<Arc<Hook>>>,
    pub(crate) sources: Mutex<Vec<Arc<Registered>>>,
}

static CURRENT: AtomicPtr<Globals> = AtomicPtr::new(ptr::null_mut());

/// This process's state, made on first use and never freed.
pub(crate) fn globals() -> &'static Globals {
    // Acquire pairs with the release below: what is behind the pointer was written before it.
    let current = CURRENT.load(Ordering::Acquire);
    // SAFETY: NULL, or leaked below.
    if let Some(globals) = unsafe { current.as_ref() }.filter(|globals| !globals.born.forked()) {
        return globals;
    }
    let fresh = Box::new(Globals { born: ForkGuard::here(), hook: Mutex::default(), sources: Mutex::default() });
    let fresh = Box::into_raw(fresh);
    match CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: leaked just now.
        Ok(_) => unsafe { &*fresh },
        Err(other) => {
            // SAFETY: nobody else has seen it.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: another thread leaked it.
            unsafe { &*other }
        }
    }
}
