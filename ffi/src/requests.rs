//! Exports dividing the energy of a meter among the requests that an inference server answers at the same time.

use eco2::attribution::Bounded;

use crate::batch::rows;
use crate::failure::Failure;
use crate::handle::{Boxed as _, Handle, on_live_meter, on_meter_without_wait};
use crate::layout::{Growable, OutStruct, assert_layout};
use crate::numbers::ECO2_NOW_COMPLETE;
use crate::status::{ECO2_ERR_NOT_OPEN, ECO2_UNKNOWN};

/// Energy of one request, extrapolated as in eco2_now(). Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RequestEnergy {
    /// sizeof(eco2_request).
    pub struct_size: u32,
    /// ECO2_NOW_COMPLETE, or 0 where the energy lacks a device or a step.
    pub flags: u32,
    /// Tokens computed, of prompt and answer.
    pub tokens: u64,
    /// Its share of the steps that it took part in, microjoules; ECO2_UNKNOWN if nothing is known.
    pub energy_uj: u64,
}

// SAFETY: repr(C) of integers without padding (asserted below), the size first.
unsafe impl Growable for RequestEnergy {
    const FIRST_SIZE: usize = 24;
}

assert_layout!(RequestEnergy is 24: struct_size 0 flags 4 tokens 8 energy_uj 16);

/// All requests so far. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RequestTotals {
    /// sizeof(eco2_request_totals).
    pub struct_size: u32,
    /// ECO2_NOW_COMPLETE, or 0 where the energies lack a device or a step.
    pub flags: u32,
    /// Requests that have ended.
    pub finished: u64,
    /// Requests that are open: their energy is in the sum, and may still grow.
    pub open: u64,
    /// Tokens of all requests.
    pub tokens: u64,
    /// Energy of all requests, microjoules; ECO2_UNKNOWN if nothing is known.
    pub energy_uj: u64,
    /// Energy between steps, and of steps without tokens, microjoules; ECO2_UNKNOWN if nothing is known.
    pub idle_uj: u64,
    /// Median of the energy per token of ended requests, microjoules; ECO2_UNKNOWN before one of known energy has ended.
    pub p50_uj_per_token: u64,
    /// Their 95 % quantile, as above.
    pub p95_uj_per_token: u64,
}

// SAFETY: repr(C) of integers without padding (asserted below), the size first.
unsafe impl Growable for RequestTotals {
    const FIRST_SIZE: usize = 64;
}

assert_layout!(RequestTotals is 64: struct_size 0 flags 4 finished 8 open 16 tokens 24 energy_uj 32 idle_uj 40
    p50_uj_per_token 48 p95_uj_per_token 56);

/// Ends a step of an inference engine: divides the energy since the last call among requests, in proportion to the tokens
/// that the step computed for each: `tokens[i]` of request `ids[i]`, a number of your choice.
///
/// Requests that run at the same time share the device, so this and not a span per request is their energy. A request is
/// open from its first step to eco2_request_end(). With `count` 0 (the arrays may be NULL), or without any token, the energy
/// is idle: call it so before a step after a pause. The first call divides the energy since the meter opened. The
/// requests and the idle energy add up to eco2_now() at the last call exactly. One engine per meter.
///
/// Takes a lock and allocates. Any thread. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; the arrays are readable for `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_request_step(
    meter: *const Handle,
    ids: *const u64,
    tokens: *const u64,
    count: usize,
) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_live_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let ids = unsafe { elements(ids, count, "ids") }?;
        // SAFETY: as required of the caller.
        let tokens = unsafe { elements(tokens, count, "tokens") }?;
        let tokens: Vec<(u64, u64)> = ids.iter().copied().zip(tokens.iter().copied()).collect();
        handle.meter.request_step(&tokens);
        Ok(())
    })
}

/// An open request so far. ECO2_ERR_NOT_OPEN: it was in no step, or has ended. Takes a lock. Any thread. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_request_get(meter: *const Handle, id: u64, out: *mut RequestEnergy) -> i32 {
    // SAFETY: as required of the caller.
    unsafe { put_request(meter, id, out, eco2::Meter::request) }
}

/// Ends a request; its energy does not change any more. ECO2_ERR_NOT_OPEN as for eco2_request_get(). Takes a lock. Any
/// thread. Since 0.2.
///
/// # Safety
/// As for eco2_request_get().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_request_end(meter: *const Handle, id: u64, out: *mut RequestEnergy) -> i32 {
    // SAFETY: as required of the caller.
    unsafe { put_request(meter, id, out, eco2::Meter::request_end) }
}

/// The sums over all requests so far. In a closed meter too. Takes a lock. Any thread. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_request_sums(meter: *const Handle, out: *mut RequestTotals) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter_without_wait(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        let totals = handle.meter.requests();
        let (p50, p95) = totals.uj_per_token.unwrap_or((ECO2_UNKNOWN, ECO2_UNKNOWN));
        out.put(RequestTotals {
            struct_size: 0,
            flags: complete(&totals.energy) & complete(&totals.idle),
            finished: totals.finished,
            open: totals.open,
            tokens: totals.tokens,
            energy_uj: totals.energy.value.unwrap_or(ECO2_UNKNOWN),
            idle_uj: totals.idle.value.unwrap_or(ECO2_UNKNOWN),
            p50_uj_per_token: p50,
            p95_uj_per_token: p95,
        });
        Ok(())
    })
}

/// # Safety
/// As for [`eco2_request_get`].
unsafe fn put_request(
    meter: *const Handle,
    id: u64,
    out: *mut RequestEnergy,
    request: fn(&eco2::Meter, u64) -> Option<eco2::attribution::RequestEnergy>,
) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter_without_wait(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        let found = request(&handle.meter, id).ok_or_else(|| {
            let text = format!("request {id} is not open: no step computed tokens for it, or it has ended");
            Failure::new(ECO2_ERR_NOT_OPEN, text)
        })?;
        let energy_uj = found.energy.value.unwrap_or(ECO2_UNKNOWN);
        out.put(RequestEnergy { struct_size: 0, flags: complete(&found.energy), tokens: found.tokens, energy_uj });
        Ok(())
    })
}

/// Returns ECO2_NOW_COMPLETE for an energy whose every part is known.
fn complete(energy: &Bounded<u64>) -> u32 {
    if energy.value.is_some() && energy.high.is_some() { ECO2_NOW_COMPLETE } else { 0 }
}

/// Returns an array of the caller, which may be NULL only without elements.
///
/// # Safety
/// `at` is NULL or readable for `count` elements during `'a`.
unsafe fn elements<'a>(at: *const u64, count: usize, argument: &'static str) -> Result<&'a [u64], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if at.is_null() {
        return Err(Failure::null(argument));
    }
    let count = rows(count as u64, "count")?;
    // SAFETY: readable for `count` elements, as required of the caller, and no more than fit into the address space.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}
