//! Fuzz target `abi`: calls of the C interface in any order, with every mistake for which the header names a status.
//!
//! Two bytes are one call: the function, and a number from which its arguments are derived. Handles are NULL, open, closed
//! or dead; none is used after it is freed, which no library could detect. After each input every meter is freed.
#![no_main]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use eco2_ffi::*;
use libfuzzer_sys::fuzz_target;

/// Most calls and meters of one input; opening starts a thread.
const CALLS: usize = 128;
const METERS: usize = 3;
/// Kinds of calls, and the one that requests a fault.
const KINDS: u8 = 28;
const PANIC: u8 = 23;
/// Requests for plans: one that has a plan, some that have none, and texts that are no request.
const REQUESTS: [&CStr; 6] = [
    c"{\"duration\": 1, \"within\": 1.5, \"power\": 1, \"series\": {\"schema\": \"eco2.series/1\", \"points\": [{\"time\": \"2026-01-01T00:00Z\", \"value\": 3}, {\"time\": \"2026-01-01T01:00Z\", \"value\": 1}]}}",
    c"{\"duration\": 1, \"within\": 2, \"series\": {\"schema\": \"eco2.series/1\", \"points\": [{\"time\": \"2026-01-01T00:00Z\", \"value\": null}]}}",
    c"{\"duration\": 1e-300, \"within\": 1, \"series\": \"/none\"}",
    c"{\"durations\": 1}",
    c"[[[[[[[[",
    c"\xff",
];
const ZONES: [&CStr; 6] = [c"DE", c"aws:us-east-1", c"Narnia", c"", c"US-", c"\xff"];
const OPTIONS: [&CStr; 6] = [
    c"{\"sysfs\": \"/none\", \"nvml\": \"/none\", \"sources\": [\"replay\"], \"log\": false, \"quiet\": true}",
    c"{\"sources\": [\"synthetic\"], \"log\": false, \"budget\": {\"max_energy_kwh\": 1e-9}, \"interval\": \"1ms\"}",
    c"{\"zoen\": 1}",
    c"{\"name\": \"\xff\"}",
    c"{",
    c"[]",
];
const NAMES: [&CStr; 6] = [c"step", c"forward", c"", c"a\xff", c"\xc3\xa9", c"eco2"];
/// Nanoseconds of the monotonic clock.
const EDGES: [u64; 4] = [0, 1, 1 << 40, u64::MAX];
const REPORTS: [*const c_char; 4] = [
    ptr::null(),
    c"{\"schema\": \"eco2.report/1\"}".as_ptr(),
    c"{\"schema\": \"eco2.report/2\"}".as_ptr(),
    c"\xff".as_ptr(),
];

unsafe extern "C" fn unread(_: *mut c_void, domain: u32, _: *mut u64) -> i32 {
    [ECO2_FAULT_FAILED, 77][domain as usize % 2]
}

/// The meters and buffers of one input.
struct Caller {
    meters: [*mut Handle; METERS],
    /// Memory behind every struct, so that a size that is too large reads bytes of this array.
    room: [u64; 600],
    text: [c_char; 300],
}

fuzz_target!(|data: &[u8]| {
    let calls = data.as_chunks::<2>().0.iter().take(CALLS);
    let faults = calls.clone().any(|call| call[0] % KINDS == PANIC);
    let mut caller = Caller { meters: [ptr::null_mut(); METERS], room: [0; 600], text: [0; 300] };
    for call in calls {
        let status = caller.call(call[0], call[1]);
        // SAFETY: both texts are never NULL; one is constant, the other valid until the next failure.
        let (name, text) = unsafe { (CStr::from_ptr(eco2_status_name(status)), CStr::from_ptr(eco2_last_error())) };
        let known = name != c"unknown status" && (status != ECO2_ERR_PANIC || faults);
        if !known || status != ECO2_OK && text.is_empty() {
            // Not by a panic: the library does not print a panic's message.
            eprintln!("{call:?}: {name:?} ({status}): {text:?}");
            std::process::abort();
        }
    }
    // SAFETY: open or NULL, and not used any more.
    caller.meters.into_iter().for_each(|meter| unsafe { eco2_meter_free(meter) });
});

impl Caller {
    fn call(&mut self, which: u8, with: u8) -> i32 {
        let place = usize::from(with) % (METERS + 1);
        let meter = self.meters.get(place).copied().unwrap_or(ptr::null_mut());
        match which % KINDS {
            0 => self.open(place, OPTIONS[usize::from(with) / 4 % OPTIONS.len()]),
            1 => self.free(place),
            _ => self.on(meter, which % KINDS, with / 4),
        }
    }

    fn open(&mut self, place: usize, options: &CStr) -> i32 {
        let Some(meter) = self.meters.get_mut(place) else {
            // SAFETY: NULL is allowed.
            return unsafe { eco2_meter_open(options.as_ptr(), ptr::null_mut()) };
        };
        if !meter.is_null() {
            return ECO2_OK;
        }
        // SAFETY: the text ends with NUL, the place is ours.
        unsafe { eco2_meter_open(options.as_ptr(), meter) }
    }

    fn free(&mut self, place: usize) -> i32 {
        let meter =
            self.meters.get_mut(place).map_or(ptr::null_mut(), |meter| std::mem::replace(meter, ptr::null_mut()));
        // SAFETY: open or NULL, and forgotten just now.
        unsafe { eco2_meter_free(meter) };
        ECO2_OK
    }

    /// `with` is below 64.
    fn on(&mut self, meter: *mut Handle, which: u8, with: u8) -> i32 {
        let name = u32::from(with % 8) * if with > 55 { 500_000_000 } else { 1 };
        let text = NAMES.get(usize::from(with) % 7).map_or(ptr::null(), |text| text.as_ptr());
        let size = usize::from(with) * 5 % 320;
        let number = self.room.as_mut_ptr();
        let needed = (with % 5 != 4).then(|| number.wrapping_add(1).cast::<usize>()).unwrap_or(ptr::null_mut());
        let buffer = if with % 7 == 6 { ptr::null_mut() } else { self.text.as_mut_ptr() };
        let count = usize::from(with) % 240;
        let array = if with % 11 == 10 { ptr::null_mut() } else { number.wrapping_add(2) };
        // SAFETY: a live handle or NULL; texts end with NUL; every place is NULL or within `room` or `text`, which have the
        // sizes that are passed.
        unsafe {
            match which {
                2 => eco2_meter_close(meter),
                3 => eco2_span_id(meter, text, self.struct_place(with, 0).cast()),
                4 => eco2_span_begin(meter, name),
                5 => eco2_span_end(meter, name),
                6 => eco2_step(meter, name),
                7 => eco2_step_work(meter, name, self.struct_place(with, size_of::<StepWork>()).cast()),
                8 => eco2_now(meter, self.struct_place(with, size_of::<EnergyNow>()).cast()),
                9 => eco2_now_devices(meter, array, count, if with % 5 == 4 { ptr::null_mut() } else { number }),
                10 => eco2_span_total(meter, name, self.struct_place(with, size_of::<SpanSum>()).cast()),
                11 => {
                    let (lo, hi) = (array.wrapping_add(200), array.wrapping_add(400 - 2));
                    if array.is_null() {
                        eco2_series(meter, text, array, number, number, count, needed)
                    } else {
                        eco2_series(meter, text, array, lo, hi, count, needed)
                    }
                }
                12 => eco2_device_count(meter, self.struct_place(with, 0).cast()),
                13 => eco2_device_get(meter, name, self.struct_place(with, size_of::<DeviceInfo>()).cast()),
                14 => eco2_device_text(meter, name, i32::from(with) - 2, buffer, size.min(300), needed),
                15 => eco2_report(meter, i32::from(with % 16) - 1, buffer, size.min(300), needed),
                16 => eco2_budget_check(meter, self.struct_place(with, size_of::<BudgetState>()).cast()),
                17 => eco2_extra(meter, text, [1.0, f64::NAN, f64::INFINITY, -0.0][usize::from(with) % 4]),
                18 => eco2_declare_sync(meter, name, i32::from(with) - 1),
                19 => eco2_span_between(meter, name, EDGES[usize::from(with) % 4], EDGES[usize::from(with) / 4 % 4]),
                20 => self.batch(with),
                21 => self.merge(with),
                22 => self.source(with),
                24 => eco2_plan(
                    REQUESTS.get(usize::from(with) % 7).map_or(ptr::null(), |text| text.as_ptr()),
                    buffer,
                    size.min(300),
                    needed,
                ),
                25 => eco2_zone(
                    ZONES.get(usize::from(with) % 7).map_or(ptr::null(), |text| text.as_ptr()),
                    buffer,
                    size.min(300),
                    needed,
                ),
                26 => eco2_meter_forked(meter),
                27 => eco2_meter_rank(meter, self.struct_place(with, 0).cast()),
                PANIC => eco2_debug_panic(meter),
                _ => ECO2_OK,
            }
        }
    }

    /// A batch of `with` rows, with columns that may be NULL and a kind that may not exist.
    fn batch(&mut self, with: u8) -> i32 {
        let room = self.room.as_mut_ptr();
        let column = |at: usize| if with & 1 << at == 0 { room.wrapping_add(at * 64) } else { ptr::null_mut() };
        let batch = BatchColumns {
            struct_size: size_of::<BatchColumns>() as u32 - u32::from(with == 9),
            kind: i32::from(with % 8) - 1,
            count: if with == 63 { u64::MAX } else { u64::from(with) },
            amount: column(1),
            time_ns: column(2),
            g_per_kwh: column(3).cast(),
            pue: f64::from(with % 3),
            price_per_tonne: f64::from(with) - 1.0,
            kwh: column(4).cast(),
            watts: column(5).cast(),
            grams: ptr::null_mut(),
            grams_per_s: ptr::null_mut(),
            credit_cost: ptr::null_mut(),
        };
        // SAFETY: as long as its struct_size (or refused for it); columns are NULL or 64 separate numbers of `room`, and
        // more rows than that are refused.
        unsafe { eco2_batch_impact(if with == 11 { ptr::null() } else { &batch }) }
    }

    /// Merges up to three texts that may not be reports.
    fn merge(&mut self, with: u8) -> i32 {
        let texts = [REPORTS[usize::from(with) % 4], REPORTS[usize::from(with) / 4 % 4], c"{}".as_ptr()];
        let list = if with == 60 { ptr::null() } else { texts.as_ptr() };
        let needed = (with % 5 != 4).then_some(self.room.as_mut_ptr().cast()).unwrap_or(ptr::null_mut());
        // SAFETY: three texts or NULL; the buffer has the size that is passed; `needed` is NULL or within `room`.
        unsafe { eco2_merge(list, usize::from(with) % 4, self.text.as_mut_ptr(), usize::from(with) * 4, needed) }
    }

    /// A source that reads nothing, with at most one mistake; the next meter takes it over.
    fn source(&mut self, with: u8) -> i32 {
        let text = |at: u8| if with == at { ptr::null() } else { NAMES[usize::from(with) % NAMES.len()].as_ptr() };
        let domain = SourceDomain {
            struct_size: size_of::<SourceDomain>() as u32,
            component: i32::from(with % 6) - 1,
            kind: i32::from(with % 5) - 1,
            reserved: 0,
            id: text(20),
            domain: text(21),
            name: ptr::null(),
            parent: text(22),
            base_per_raw: [1e-6, 0.0, f64::NAN, -1.0][usize::from(with) / 16],
            range: u64::from(with) << 32,
            max_w: f64::from(with) - 4.0,
        };
        let table = SourceTable {
            struct_size: size_of::<SourceTable>() as u32 - u32::from(with == 9),
            domain_count: u32::from(with != 10) + u32::from(with == 12) * 99,
            name: text(23),
            domains: if with == 13 { ptr::null() } else { &domain },
            read: if with == 14 { None } else { Some(unread) },
            user_data: ptr::null_mut(),
            destroy: None,
        };
        // SAFETY: as long as its struct_size, or refused: one domain or too many; `unread` needs no data.
        unsafe { eco2_register_source(if with == 11 { ptr::null() } else { &table }) }
    }

    /// NULL, or a place that begins with the right struct_size, a wrong one, or a larger one with a tail that is not zero.
    fn struct_place(&mut self, with: u8, size: usize) -> *mut u64 {
        self.room[2..].fill(0);
        let size = match with % 8 {
            0 => return ptr::null_mut(),
            1 => size.wrapping_sub(1),
            2 => size + 8,
            3 => {
                self.room[2..].fill(1);
                size + 8
            }
            4 => usize::from(with) * 1_000,
            _ => size,
        };
        // The library reads at most 4096 bytes of it; `room` has more.
        self.room[2] = self.room[2] & 0xffff_ffff_0000_0000 | (size as u64 & 0xffff_ffff);
        &raw mut self.room[2]
    }
}
