//! The C interface of eco2 from Rust, for programs that must share one libeco2 with C or Python code in the same process.
//! Other programs depend on the crate `eco2` (see `../loop`), which needs no `unsafe`.

use std::ffi::{CStr, c_char};
use std::ptr;

/// `eco2_meter`.
#[repr(C)]
struct Meter([u8; 0]);

/// `eco2_span_sum`.
#[repr(C)]
#[derive(Default)]
struct SpanSum {
    struct_size: u32,
    state: i32,
    sync: i32,
    reserved: u32,
    count: u64,
    duration_ns: u64,
    energy_uj: u64,
    low_uj: u64,
    high_uj: u64,
}

unsafe extern "C" {
    safe fn eco2_abi_version() -> u32;
    safe fn eco2_last_error() -> *const c_char;
    fn eco2_meter_open(options_json: *const c_char, out: *mut *mut Meter) -> i32;
    fn eco2_span_id(meter: *const Meter, name: *const c_char, out: *mut u32) -> i32;
    fn eco2_step(meter: *const Meter, name: u32) -> i32;
    fn eco2_meter_close(meter: *mut Meter) -> i32;
    fn eco2_span_total(meter: *const Meter, name: u32, out: *mut SpanSum) -> i32;
    fn eco2_meter_free(meter: *mut Meter);
}

/// ECO2_ABI_VERSION of the header that the declarations above follow.
const ABI_VERSION: u32 = 1;

fn checked(status: i32) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: never NULL, ends with NUL, valid until this thread's next failure.
    Err(unsafe { CStr::from_ptr(eco2_last_error()) }.to_string_lossy().into_owned())
}

/// A stand-in for a training step.
fn train() -> f64 {
    (1..2_000_000u32).map(|i| 1.0 / f64::from(i) / f64::from(i)).sum()
}

fn main() -> Result<(), String> {
    if eco2_abi_version() != ABI_VERSION {
        return Err("libeco2 is of another version than this program".to_owned());
    }
    let (mut meter, mut step) = (ptr::null_mut(), 0);
    // SAFETY: the text ends with NUL, `meter` is a variable of this function.
    checked(unsafe {
        eco2_meter_open(c"{\"name\": \"linked\", \"zone\": \"DE\", \"log\": false}".as_ptr(), &raw mut meter)
    })?;
    // SAFETY: an open meter, a text that ends with NUL, a variable of this function.
    checked(unsafe { eco2_span_id(meter, c"step".as_ptr(), &raw mut step) })?;
    for _ in 0..3 {
        std::hint::black_box(train());
        // SAFETY: an open meter.
        checked(unsafe { eco2_step(meter, step) })?;
    }
    // SAFETY: an open meter.
    checked(unsafe { eco2_meter_close(meter) })?;
    let mut sum = SpanSum { struct_size: size_of::<SpanSum>() as u32, ..SpanSum::default() };
    // SAFETY: a meter that was not freed, and a struct with its size in struct_size.
    checked(unsafe { eco2_span_total(meter, step, &raw mut sum) })?;
    let known = if sum.energy_uj > 0 { "yes" } else { "no" };
    println!("{} steps, energy known: {known}, at least {:.3} J", sum.count, sum.low_uj as f64 / 1e6);
    // SAFETY: the last use.
    unsafe { eco2_meter_free(meter) };
    Ok(())
}
