//! Exports reading of a meter: its energy now, the totals of spans (named stretches of time), and the energy of a
//! device over time.
//!
//! *Knot*: a change of an energy counter, dated by the clock readings before and after it.

use std::ffi::c_char;

use eco2::CurvePoint;
use eco2_core::schema::{SpanRecord, State};

use crate::failure::Failure;
use crate::handle::{Boxed as _, Handle, on_hot_meter, on_meter};
use crate::layout::{Growable, Out, OutArray, OutStruct, assert_layout};
use crate::numbers::{ECO2_NOW_COMPLETE, ECO2_STATE_FINAL, ECO2_STATE_PROVISIONAL, range_number, sync_number};
use crate::status::{ECO2_ERR_BUFFER, ECO2_UNKNOWN};
use crate::text;

/// Energy at an instant, extrapolated from the last readings: always provisional. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct EnergyNow {
    /// sizeof(eco2_energy_now).
    pub struct_size: u32,
    /// ECO2_NOW_COMPLETE, or 0 where the total lacks a device.
    pub flags: u32,
    /// The instant, nanoseconds of the monotonic clock.
    pub at_ns: u64,
    /// Microjoules since the meter's first readings, over devices that do not overlap.
    pub total_uj: u64,
}

// SAFETY: repr(C) of integers without padding (asserted below), the size first.
unsafe impl Growable for EnergyNow {
    const FIRST_SIZE: usize = 24;
}

assert_layout!(EnergyNow is 24: struct_size 0 flags 4 at_ns 8 total_uj 16);

/// The total of one span name. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SpanSum {
    /// sizeof(eco2_span_sum).
    pub struct_size: u32,
    /// ECO2_STATE_PROVISIONAL or ECO2_STATE_FINAL.
    pub state: i32,
    /// How start and end were declared: ECO2_SYNC_...
    pub sync: i32,
    /// 0.
    pub reserved: u32,
    /// Spans that have ended.
    pub count: u64,
    /// Sum of their durations, nanoseconds.
    pub duration_ns: u64,
    /// Sum of their energies, microjoules; ECO2_UNKNOWN if nothing is known.
    pub energy_uj: u64,
    /// Lower bound, microjoules.
    pub low_uj: u64,
    /// Upper bound, microjoules; ECO2_UNKNOWN: none.
    pub high_uj: u64,
    /// Lower bound without any assumption on power, microjoules.
    pub free_low_uj: u64,
    /// Upper bound without any assumption on power, microjoules; ECO2_UNKNOWN: none.
    pub free_high_uj: u64,
    /// Coverage of the range from low_uj to high_uj, percent; NaN if nothing is known.
    pub range_percent: f64,
    /// Kind of that range: ECO2_RANGE_...
    pub range_kind: i32,
    /// 0.
    pub reserved2: u32,
}

// SAFETY: repr(C) of plain numbers without padding (asserted below), the size first.
unsafe impl Growable for SpanSum {
    const FIRST_SIZE: usize = 56;
}

assert_layout!(SpanSum is 88: struct_size 0 state 4 sync 8 reserved 12 count 16 duration_ns 24 energy_uj 32 low_uj 40 high_uj 48
    free_low_uj 56 free_high_uj 64 range_percent 72 range_kind 80 reserved2 84);

/// Energy now. ECO2_ERR_NO_DATA before the first reading, or where nothing can be read.
///
/// Wait-free. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_now(meter: *const Handle, out: *mut EnergyNow) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        let now = handle.meter.now().ok_or_else(no_energy)?;
        let flags = if now.complete { ECO2_NOW_COMPLETE } else { 0 };
        out.put(EnergyNow { struct_size: 0, flags, at_ns: now.at_ns, total_uj: now.total_uj });
        Ok(())
    })
}

/// Energy now by device: `uj[i]` microjoules of device `i` (as for eco2_device_get()) since its first reading, or
/// ECO2_UNKNOWN where there is no such device or its energy is not known. Extrapolated, as in eco2_now().
///
/// Writes `count` elements, and to `*at_ns` the instant, nanoseconds of the monotonic clock. The difference of two
/// calls is each device's energy between them, known at once and provisional. ECO2_ERR_NO_DATA as for eco2_now(); the
/// elements are then undefined.
/// Wait-free. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `uj` is writable for `count` elements; `at_ns` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_now_devices(meter: *const Handle, uj: *mut u64, count: usize, at_ns: *mut u64) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let uj = unsafe { OutArray::new(uj, count, "uj") }?;
        // SAFETY: as required of the caller.
        let at_ns = unsafe { Out::new(at_ns, "at_ns") }?;
        let put = |device, energy_uj: Option<u64>| uj.put(device, energy_uj.unwrap_or(ECO2_UNKNOWN));
        at_ns.put(handle.meter.now_of_devices(count, put).ok_or_else(no_energy)?);
        Ok(())
    })
}

/// Returns the failure of a read before the first reading.
#[cold]
#[inline(never)]
fn no_energy() -> Failure {
    Failure::no_data("energy")
}

/// The total of a name's spans that have ended. ECO2_ERR_NO_DATA if none has. In a closed meter too.
///
/// Takes a lock and allocates. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_total(meter: *const Handle, name: u32, out: *mut SpanSum) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        let span = handle.meter.total(handle.name(name)?);
        let span = span.ok_or_else(|| Failure::no_data("the total of a name without ended spans"))?;
        out.put(span_sum(&span));
        Ok(())
    })
}

/// Converts the total of a span to the struct of the C interface.
fn span_sum(span: &SpanRecord) -> SpanSum {
    SpanSum {
        struct_size: 0,
        state: if span.state == State::Final { ECO2_STATE_FINAL } else { ECO2_STATE_PROVISIONAL },
        sync: sync_number(span.sync),
        reserved: 0,
        count: span.count,
        duration_ns: span.duration_ns,
        energy_uj: span.energy_uj.unwrap_or(ECO2_UNKNOWN),
        low_uj: span.low_uj,
        high_uj: span.high_uj.unwrap_or(ECO2_UNKNOWN),
        free_low_uj: span.free_low_uj,
        free_high_uj: span.free_high_uj.unwrap_or(ECO2_UNKNOWN),
        range_percent: span.range_percent.unwrap_or(f64::NAN),
        range_kind: range_number(span.range_kind),
        reserved2: 0,
    }
}

/// The counter changes (knots) of a device: its energy reached `uj[i]` microjoules (since its first reading) no earlier than `lo_ns[i]`
/// and no later than `hi_ns[i]` (nanoseconds since the start of the run). Thinned in long runs. In a closed meter too.
///
/// `*needed` is always set to the number of knots. ECO2_ERR_BUFFER: `capacity` is less, nothing else was written. With
/// capacity 0 the arrays may be NULL and only `*needed` is set. Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `device` is NULL or ends with NUL; the arrays are writable for `capacity`
/// elements; `needed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_series(
    meter: *const Handle,
    device: *const c_char,
    lo_ns: *mut u64,
    hi_ns: *mut u64,
    uj: *mut u64,
    capacity: usize,
    needed: *mut usize,
) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let device = unsafe { text::text(device, "device") }?;
        // SAFETY: as required of the caller.
        let lo_ns = unsafe { OutArray::new(lo_ns, capacity, "lo_ns") }?;
        // SAFETY: as required of the caller.
        let hi_ns = unsafe { OutArray::new(hi_ns, capacity, "hi_ns") }?;
        // SAFETY: as required of the caller.
        let uj = unsafe { OutArray::new(uj, capacity, "uj") }?;
        // SAFETY: as required of the caller.
        let needed = unsafe { Out::new(needed, "needed") }?;
        let points = handle.meter.series(device);
        needed.put(points.len());
        if capacity > 0 && capacity < points.len() {
            let text = format!("capacity is {capacity}, {} are needed", points.len());
            return Err(Failure::new(ECO2_ERR_BUFFER, text));
        }
        let column = |array: OutArray<u64>, field: fn(&CurvePoint) -> u64| {
            array.first(points.len()).fill(|index| points.get(index).map_or(0, field));
        };
        column(lo_ns, |point| point.lo_ns);
        column(hi_ns, |point| point.hi_ns);
        column(uj, |point| point.uj);
        Ok(())
    })
}
