//! A source written in C, and the sources that wait for the next meter.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eco2::source::{Batch, Source};
use eco2_core::{Domain, Fault};

use crate::failure::Failure;
use crate::globals::globals;
use crate::guard::{guard, silence_panics};
use crate::handle::lock;
use crate::layout;
use crate::log::UserData;
use crate::numbers::{
    ECO2_FAULT_DENIED, ECO2_FAULT_GONE, ECO2_FAULT_LOST, ECO2_FAULT_NOT_AVAILABLE, ECO2_FAULT_UNSUPPORTED,
};
use crate::source_table::{SourceTable, checked};
use crate::status::ECO2_OK;

type Read = unsafe extern "C" fn(*mut c_void, u32, *mut u64) -> i32;

/// A source that was registered.
pub(crate) struct Registered {
    name: String,
    domains: Vec<Domain>,
    read: Read,
    user: Option<UserData>,
    gone: Gone,
}

/// Becomes true when a source's destructor has returned.
#[derive(Clone, Default)]
pub(crate) struct Gone(Arc<AtomicBool>);

impl Gone {
    pub(crate) fn is_true(&self) -> bool {
        // Acquire pairs with the release in `drop`: what the destructor did is over.
        self.0.load(Ordering::Acquire)
    }
}

impl Registered {
    pub(crate) fn gone(&self) -> Gone {
        self.gone.clone()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        drop(self.user.take());
        self.gone.0.store(true, Ordering::Release);
    }
}

/// The sources that wait; they wait no more.
pub(crate) fn take() -> Vec<Arc<Registered>> {
    std::mem::take(&mut *lock(&globals().sources))
}

/// They wait again, before those that came meanwhile.
pub(crate) fn put_back(sources: Vec<Arc<Registered>>) {
    let mut waiting = lock(&globals().sources);
    waiting.splice(0..0, sources);
}

/// As the sampling thread wants it.
pub(crate) fn adapted(source: &Arc<Registered>) -> Box<dyn Source> {
    Box::new(Adapter(Arc::clone(source)))
}

struct Adapter(Arc<Registered>);

impl Source for Adapter {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn domains(&self) -> &[Domain] {
        &self.0.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        for domain in 0..self.0.domains.len() {
            batch.one(domain, || self.value(domain as u32));
        }
    }
}

impl Adapter {
    fn value(&self, domain: u32) -> Result<u64, Fault> {
        let data = self.0.user.as_ref().map_or(std::ptr::null_mut(), UserData::get);
        let mut value = 0;
        // SAFETY: a function as the header describes it, with what was registered for it and a place for a number.
        let status = unsafe { (self.0.read)(data, domain, &raw mut value) };
        match status {
            ECO2_OK => Ok(value),
            ECO2_FAULT_DENIED => Err(Fault::Denied),
            ECO2_FAULT_UNSUPPORTED => Err(Fault::Unsupported),
            ECO2_FAULT_NOT_AVAILABLE => Err(Fault::NotAvailable),
            ECO2_FAULT_LOST => Err(Fault::Lost),
            ECO2_FAULT_GONE => Err(Fault::Gone),
            _ => Err(Fault::Failed),
        }
    }
}

/// Registers a source of the program's own: the next meter that this process opens takes it over.
///
/// `read` is called on that meter's sampling thread only, several times a second, with no lock held; it must return
/// soon. `destroy`, if not NULL, is called once, on any thread, after the last read and before closing or freeing the
/// meter returns (unless `read` does not return). If opening fails the source waits for the next one. On failure of this
/// call the caller keeps `user_data`. Any thread. Since 0.1.
///
/// # Safety
/// `source` is NULL or as long as it says, and so are its domains; its texts end with NUL; its functions are fit for
/// `user_data` and for the sampling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_register_source(source: *const SourceTable) -> i32 {
    guard(|| {
        silence_panics();
        // SAFETY: as required of the caller.
        let table = unsafe { layout::read(source, "source") }?;
        // SAFETY: as required of the caller.
        let (name, domains) = unsafe { checked(&table) }?;
        let read = table.read.ok_or_else(|| Failure::null("source: read"))?;
        let user = Some(UserData::new(table.user_data, table.destroy));
        let registered = Registered { name, domains, read, user, gone: Gone::default() };
        lock(&globals().sources).push(Arc::new(registered));
        Ok(())
    })
}
