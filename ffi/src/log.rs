//! The host's log: what the library would say if it wrote anything itself.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use crate::failure::Failure;
use crate::globals::globals;
use crate::guard::{guard, silence_panics};
use crate::handle::lock;

/// Takes one message: what was registered with it, a level (ECO2_LOG_...), a text that ends with NUL and is valid
/// during the call. Must not throw and must not call the library.
pub type LogFn = Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, text: *const c_char)>;

/// Frees what was registered with a callback; called once, after the callback's last call. Must not throw.
pub type DestroyFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// What a host registered with a callback.
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: DestroyFn,
}

// SAFETY: only the pointer moves; the header says on which threads callbacks run, and hosts agree by registering.
unsafe impl Send for UserData {}
// SAFETY: as above; the pointer is never looked behind here.
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
            // SAFETY: the host gave both for each other, and this is the only call.
            unsafe { destroy(self.data) };
        }
    }
}

/// The callback in use.
pub(crate) struct Hook {
    call: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    user: UserData,
}

/// Hands a message to the host, with no lock held.
pub(crate) fn say(level: i32, text: &str) {
    let Some(hook) = lock(&globals().hook).clone() else { return };
    let Ok(text) = CString::new(text.replace('\0', "\u{fffd}")) else { return };
    // SAFETY: a callback as the header describes it, with what was registered for it and a text that ends with NUL.
    unsafe { (hook.call)(hook.user.get(), level, text.as_ptr()) };
}

/// Sets who hears what the library has to say; NULL: nobody, as at the start and in a forked child.
///
/// The callback is called on the thread that opens or closes a meter or plans, before that call returns. It replaces the one
/// before; `destroy`, if not NULL, is called with `user_data` when the callback was replaced and its last call is over.
/// On failure the caller keeps `user_data`. Any thread. Since 0.1.
///
/// # Safety
/// `callback` and `destroy` are NULL or functions of that type, fit for `user_data` and for every thread that opens or
/// closes meters, or plans.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_set_log_callback(callback: LogFn, user_data: *mut c_void, destroy: DestroyFn) -> i32 {
    guard(|| {
        silence_panics();
        if callback.is_none() && destroy.is_some() {
            return Err(Failure::null("callback"));
        }
        let hook = callback.map(|call| Arc::new(Hook { call, user: UserData::new(user_data, destroy) }));
        let before = std::mem::replace(&mut *lock(&globals().hook), hook);
        // Outside the lock: the destructor is the host's code.
        drop(before);
        Ok(())
    })
}
