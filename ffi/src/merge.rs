//! Merging reports of one run: its ranks, its restarts, whoever else measured it.

use std::ffi::c_char;
use std::path::Path;

use eco2_core::schema::Report;

use crate::failure::Failure;
use crate::guard::guard;
use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_RENDER};
use crate::text::{self, OutText};

/// The most reports in one call; merged reports can be merged again.
const MOST: usize = 1 << 16;

/// Merges JSON reports (schema eco2.report/1) of one run into one, as JSON: every counter counts once, whoever read it.
///
/// `reports` are `count` texts, in any order; merged ones may be among them, and one may be there twice. `*needed` is set
/// to the size of the result, its NUL included, also where the buffer is too small (ECO2_ERR_BUFFER, and nothing else was
/// written). With size 0 the buffer may be NULL and only `*needed` is set. A text that is no report is ECO2_ERR_ARGUMENT
/// and names its place. Needs no meter; allocates. Any thread. Since 0.1.
///
/// # Safety
/// `reports` is NULL or has `count` texts that end with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_merge(
    reports: *const *const c_char,
    count: usize,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        // SAFETY: as required of the caller.
        let parsed = unsafe { parse_all(reports, count) }?;
        let merged = eco2_report::merge(&parsed).map_err(|error| Failure::argument(format!("reports: {error}")))?;
        let json = eco2_report::json(&merged).map_err(|error| Failure::new(ECO2_ERR_RENDER, error.to_string()))?;
        out.put(&json)
    })
}

/// # Safety
/// `reports` is NULL or has `count` texts that end with NUL.
unsafe fn parse_all(reports: *const *const c_char, count: usize) -> Result<Vec<Report>, Failure> {
    if reports.is_null() {
        return Err(Failure::null("reports"));
    }
    if count == 0 || count > MOST {
        return Err(Failure::argument(format!("count is {count}; allowed: 1 to {MOST}")));
    }
    (0..count)
        .map(|at| {
            // SAFETY: `at` is below the number of texts.
            let place = unsafe { reports.add(at) };
            // SAFETY: readable, see above.
            let text = unsafe { place.read() };
            // SAFETY: as required of the caller.
            let text = unsafe { text::text(text, "reports") }?;
            let label = format!("reports[{at}]");
            let parsed = eco2_report::parse_report(text.as_bytes(), Path::new(&label));
            parsed.map_err(|error| Failure::new(ECO2_ERR_ARGUMENT, error.to_string()))
        })
        .collect()
}
