//! Exports `eco2_zone` and `eco2_plan`, which return the JSON of the commands `eco2 grid ZONE` and `eco2 plan`.

use std::ffi::c_char;

use eco2_grid::request::PlanRequest;

use crate::failure::Failure;
use crate::guard::guard;
use crate::numbers::ECO2_LOG_WARN;
use crate::process;
use crate::text::{self, OutText};

/// Plans when, where and with how many workers to run, as `eco2 plan --json` does: the same keys, from the same calculation.
///
/// `request` is a JSON object with the command's flags as keys, `-` written as `_`: "series" (a file's path, or an object
/// of schema eco2.series/1), "duration" and "within" in hours, "start", "zone", "interruptible", "power" in watts, "pue",
/// "profile", "whole_slots", "start_cost", "switch_cost", "rank", "transfer", "jobs", "machines". Without a series there is
/// no plan: the library never invents a curve. `*needed` is set to the size of the answer, its NUL included, also where the buffer is too
/// small (ECO2_ERR_BUFFER, and nothing else was written). With size 0 the buffer may be NULL and only `*needed` is set. A
/// request or file that cannot be used is ECO2_ERR_ARGUMENT, and the message names the place and the remedy. Assumptions
/// (without "power": 1000 W) go to the log callback when an answer is written. Needs no meter; reads the files that the
/// request names; uses no network; allocates. Any thread. Since 0.1.
///
/// ```c
/// #include <eco2.h>
/// #include <stdio.h>
///
/// int main(void) {
///     static char plan[1 << 14];
///     size_t needed;
///     const char *request =
///         "{\"duration\": 1, \"within\": 2, \"power\": 2000, \"series\": {\"schema\": \"eco2.series/1\", \"points\": ["
///         "{\"time\": \"2026-01-01T00:00Z\", \"value\": 300}, {\"time\": \"2026-01-01T01:00Z\", \"value\": 100}]}}";
///     if (eco2_plan(request, plan, sizeof plan, &needed) != ECO2_OK) {
///         fprintf(stderr, "%s\n", eco2_last_error());
///         return 1;
///     }
///     fputs(plan, stdout);
///     return 0;
/// }
/// ```
///
/// # Safety
/// `request` is NULL or ends with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_plan(
    request: *const c_char,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        // SAFETY: as required of the caller.
        let request = unsafe { text::text(request, "request") }?;
        let answer = PlanRequest::from_json(request).and_then(|request| request.answer());
        let answer = answer.map_err(|error| Failure::argument(format!("request: {error}")))?;
        out.put(&format!("{:#}\n", answer.document()))?;
        if size > 0 {
            answer.notes.iter().for_each(|note| process::log(ECO2_LOG_WARN, &note.to_string()));
        }
        Ok(())
    })
}

/// The carbon intensity of a zone from the yearly table, as `eco2 grid ZONE --json` prints it: "zone", "name",
/// "g_per_kwh", "kind", "year", "source", "licence", "note", "mix", "cloud"; unknown values are null.
///
/// `name` is a code, a name or an alias: "DE", "Germany", "US-CA", "aws:us-east-1". An unknown name is
/// ECO2_ERR_ARGUMENT, and the message has the nearest ones; no other zone's value is used instead. Buffer and `needed` as for
/// eco2_plan(). Needs no meter, reads no file, uses no network; allocates. Any thread. Since 0.1.
///
/// # Safety
/// `name` is NULL or ends with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_zone(name: *const c_char, buffer: *mut c_char, size: usize, needed: *mut usize) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        // SAFETY: as required of the caller.
        let name = unsafe { text::name(name, "name") }?;
        let zone = eco2_grid::zone_document(name).map_err(|error| Failure::argument(format!("name: {error}")))?;
        out.put(&format!("{zone:#}\n"))
    })
}
