//! Holds the state that belongs to the process and not to a meter: the log callback, and the sources that wait for the
//! next meter. A *source* is something that is read for energy or power.
//!
//! A forked child starts with neither: a lock of its parent may never be released, and its callbacks may not work there.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eco2::ForkGuard;
use eco2_core::Domain;

use crate::failure::Failure;
use crate::guard::{guard, mute_panics};

/// Takes one message: what was registered with it, a level (ECO2_LOG_...), a text that ends with NUL and is valid
/// during the call. Must not throw and must not call the library.
pub type LogFn = Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, text: *const c_char)>;

/// Frees what was registered with a callback; called once, after the callback's last call. Must not throw.
pub type DestroyFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The caller's pointer that was registered with a callback; dropping it calls the caller's destructor.
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: DestroyFn,
}

// SAFETY: only the pointer moves; the header names the threads on which callbacks run, and callers agree by registering.
unsafe impl Send for UserData {}
// SAFETY: as above; the pointer is never dereferenced here.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(data: *mut c_void, destroy: DestroyFn) -> Self {
        Self { data, destroy }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller registered both together, and this is the only call.
            unsafe { destroy(self.data) };
        }
    }
}

/// The callback that takes log messages.
struct LogCallback {
    call: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    user: UserData,
}

/// Function of a registered source that reads one domain.
pub(crate) type ReadDomain = unsafe extern "C" fn(*mut c_void, u32, *mut u64) -> i32;

/// A source that the caller registered.
pub(crate) struct RegisteredSource {
    pub(crate) name: String,
    pub(crate) domains: Vec<Domain>,
    pub(crate) read: ReadDomain,
    /// `None` only while it is dropped.
    pub(crate) user: Option<UserData>,
    pub(crate) end: SourceEnd,
}

impl Drop for RegisteredSource {
    fn drop(&mut self) {
        drop(self.user.take());
        self.end.0.store(true, Ordering::Release);
    }
}

/// Shows when a source's destructor has returned.
#[derive(Clone, Default)]
pub(crate) struct SourceEnd(Arc<AtomicBool>);

impl SourceEnd {
    pub(crate) fn is_reached(&self) -> bool {
        // Acquire pairs with the release in `drop`: all effects of the destructor are visible.
        self.0.load(Ordering::Acquire)
    }
}

struct ProcessState {
    fork_guard: ForkGuard,
    log_callback: Mutex<Option<Arc<LogCallback>>>,
    waiting_sources: Mutex<Vec<Arc<RegisteredSource>>>,
}

static CURRENT: AtomicPtr<ProcessState> = AtomicPtr::new(ptr::null_mut());

/// This process's state; created on first use and never freed.
fn state() -> &'static ProcessState {
    // Acquire pairs with the release below: the state behind the pointer was written before it.
    let current = CURRENT.load(Ordering::Acquire);
    // SAFETY: NULL, or leaked below.
    if let Some(state) = unsafe { current.as_ref() }.filter(|state| !state.fork_guard.forked()) {
        return state;
    }
    let fresh = Box::into_raw(Box::new(ProcessState {
        fork_guard: ForkGuard::here(),
        log_callback: Mutex::default(),
        waiting_sources: Mutex::default(),
    }));
    match CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: leaked just now.
        Ok(_) => unsafe { &*fresh },
        Err(other) => {
            // SAFETY: no other thread has had this pointer.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: another thread leaked it.
            unsafe { &*other }
        }
    }
}

/// Locks a mutex even if its last holder panicked: our locks protect plain data.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a source that waits for the next meter.
pub(crate) fn add_source(source: RegisteredSource) {
    lock(&state().waiting_sources).push(Arc::new(source));
}

/// Takes all waiting sources.
pub(crate) fn take_sources() -> Vec<Arc<RegisteredSource>> {
    std::mem::take(&mut *lock(&state().waiting_sources))
}

/// Makes sources wait again, before those that were registered since they were taken.
pub(crate) fn return_sources(sources: Vec<Arc<RegisteredSource>>) {
    lock(&state().waiting_sources).splice(0..0, sources);
}

/// Passes a message to the caller's log callback. No lock is held during the call.
pub(crate) fn log(level: i32, text: &str) {
    let Some(callback) = lock(&state().log_callback).clone() else { return };
    let Ok(text) = CString::new(text.replace('\0', "\u{fffd}")) else { return };
    // SAFETY: a callback as the header describes it, with its own user data and a text that ends with NUL.
    unsafe { (callback.call)(callback.user.get(), level, text.as_ptr()) };
}

/// Sets the function that takes the library's log messages; NULL for none, as at the start and in a forked child.
///
/// The callback is called on the thread that opens or closes a meter or plans, before that call returns. It replaces the
/// previous one; `destroy`, if not NULL, is called with `user_data` when the callback was replaced and its last call has
/// returned. On failure the caller keeps `user_data`. Any thread. Since 0.1.
///
/// # Safety
/// `callback` and `destroy` are NULL or functions of that type, fit for `user_data` and for every thread that opens or
/// closes meters, or plans.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_set_log_callback(callback: LogFn, user_data: *mut c_void, destroy: DestroyFn) -> i32 {
    guard(|| {
        mute_panics();
        if callback.is_none() && destroy.is_some() {
            return Err(Failure::null("callback"));
        }
        let new = callback.map(|call| Arc::new(LogCallback { call, user: UserData::new(user_data, destroy) }));
        let previous = std::mem::replace(&mut *lock(&state().log_callback), new);
        // Outside the lock: the destructor is the caller's code.
        drop(previous);
        Ok(())
    })
}
