//! What a zone's electricity weighs, and when to run for least: JSON in and out, as the commands `eco2 grid` and `eco2
//! plan` print it.

use std::ffi::c_char;

use eco2_grid::request::PlanRequest;

use crate::failure::Failure;
use crate::guard::guard;
use crate::log::say;
use crate::numbers::ECO2_LOG_WARN;
use crate::text::{self, OutText};

/// Plans when, where and how wide to run, as `eco2 plan --json` does: the same keys, from the same arithmetic.
///
/// `request` is a JSON object with the command's flags as keys, `-` written as `_`: "series" (a file's path, or an object
/// of schema eco2.series/1), "duration" and "within" in hours, "start", "zone", "interruptible", "power" in watts, "pue",
/// "profile", "whole_slots", "start_cost", "switch_cost", "rank", "transfer", "jobs", "machines". Without a series there is
/// no plan: no curve is made up. `*needed` is set to the size of the answer, its NUL included, also where the buffer is too
/// small (ECO2_ERR_BUFFER, and nothing else was written). With size 0 the buffer may be NULL and only `*needed` is set. A
/// request or file that cannot be used is ECO2_ERR_ARGUMENT, and the text names place and remedy. What was assumed (no
/// "power": grams are of 1000 W) goes to the log callback when an answer is written. Needs no meter; reads the files that
/// the request names; asks no network; allocates. Any thread. Since 0.1.
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
            answer.notes.iter().for_each(|note| say(ECO2_LOG_WARN, &note.to_string()));
        }
        Ok(())
    })
}

/// What a kilowatt-hour weighs in a zone by the yearly table, as `eco2 grid ZONE --json` prints it: "zone", "name",
/// "g_per_kwh", "kind", "year", "source", "licence", "note", "mix", "cloud"; what is not known is null.
///
/// `name` is a code, a name or an alias: "DE", "Germany", "US-CA", "aws:us-east-1". One that is not known is
/// ECO2_ERR_ARGUMENT, and the text has the nearest ones; no other zone's figure stands in. Buffer and `needed` as for
/// eco2_plan(). Needs no meter, reads no file, asks no network; allocates. Any thread. Since 0.1.
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
