//! Exports a source that the calling program implements. Its table of *domains* (the quantities that it measures) is
//! checked, registered for the next meter, and read by that meter's sampling thread.

use std::collections::HashSet;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use eco2::source::{Batch as Readings, Source};
use eco2_core::{Component, Domain, Fault, Scale};

use crate::failure::Failure;
use crate::guard::{guard, mute_panics};
use crate::layout::{self, Growable, assert_layout};
use crate::numbers::{
    ECO2_COMPONENT_CPU, ECO2_COMPONENT_GPU, ECO2_COMPONENT_MEMORY, ECO2_COMPONENT_OTHER, ECO2_FAULT_DENIED,
    ECO2_FAULT_GONE, ECO2_FAULT_LOST, ECO2_FAULT_NOT_AVAILABLE, ECO2_FAULT_UNSUPPORTED, ECO2_KIND_ENERGY,
    ECO2_KIND_POWER,
};
use crate::process::{DestroyFn, RegisteredSource, SourceEnd, UserData, add_source};
use crate::status::ECO2_OK;
use crate::text;

/// Most domains of one source: more than the sensors of any machine, and small enough to check at once.
const MAX_DOMAINS: u32 = 64;

/// Reads one domain (its index in eco2_source.domains) into `*value`, in the domain's raw unit. Returns ECO2_OK or one of
/// ECO2_FAULT_...; any other number counts as ECO2_FAULT_FAILED. Must not throw and must not call the library.
pub type ReadFn = Option<unsafe extern "C" fn(user_data: *mut c_void, domain: u32, value: *mut u64) -> i32>;

/// One quantity that a source reads. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SourceDomain {
    /// sizeof(eco2_source_domain).
    pub struct_size: u32,
    /// ECO2_COMPONENT_...
    pub component: i32,
    /// ECO2_KIND_...
    pub kind: i32,
    /// 0.
    pub reserved: u32,
    /// Id, 1 to 256 bytes, unique within a run.
    pub id: *const c_char,
    /// Which quantity it is: `package`, `dram`, `board`, ...; 1 to 256 bytes.
    pub domain: *const c_char,
    /// Name for people; NULL: the id.
    pub name: *const c_char,
    /// Id of the domain that contains this one; NULL: none.
    pub parent: *const c_char,
    /// Joules (ECO2_KIND_ENERGY) or watts (ECO2_KIND_POWER) in one raw unit, 1e-15 to 1e12.
    pub base_per_raw: f64,
    /// Number of raw values before the counter wraps to 0; 0: it does not wrap.
    pub range: u64,
    /// Highest power that it can draw, watts; 0: not known.
    pub max_w: f64,
}

// SAFETY: repr(C) of numbers and pointers without padding on 64-bit machines (asserted below), the size first;
// zero is NULL.
unsafe impl Growable for SourceDomain {
    const FIRST_SIZE: usize = 72;
}

assert_layout!(SourceDomain is 72: struct_size 0 component 4 kind 8 reserved 12 id 16 domain 24 name 32 parent 40
    base_per_raw 48 range 56 max_w 64);

/// A source that the program implements. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SourceTable {
    /// sizeof(eco2_source).
    pub struct_size: u32,
    /// Number of domains, 1 to 64.
    pub domain_count: u32,
    /// Name of the source in reports, 1 to 256 bytes.
    pub name: *const c_char,
    /// The domains, all with the `struct_size` of the first. Copied.
    pub domains: *const SourceDomain,
    /// Reads a domain.
    pub read: ReadFn,
    /// Passed to `read` and `destroy`.
    pub user_data: *mut c_void,
    /// Called once when the source is no longer needed; may be NULL.
    pub destroy: DestroyFn,
}

// SAFETY: repr(C) of numbers, pointers and optional functions without padding on 64-bit machines (asserted below), the size
// first; zero is NULL.
unsafe impl Growable for SourceTable {
    const FIRST_SIZE: usize = 48;
}

assert_layout!(SourceTable is 48: struct_size 0 domain_count 4 name 8 domains 16 read 24 user_data 32 destroy 40);

/// Checks a table and converts it to the source's name and domains.
///
/// # Safety
/// Pointers in the table are as the header requires.
unsafe fn checked(table: &SourceTable) -> Result<(String, Vec<Domain>), Failure> {
    // SAFETY: as required of the caller.
    let name = unsafe { text::name(table.name, "source: name") }?;
    if table.domain_count == 0 || table.domain_count > MAX_DOMAINS {
        let count = table.domain_count;
        return Err(Failure::argument(format!("source: domain_count is {count}; allowed: 1 to {MAX_DOMAINS}")));
    }
    // SAFETY: as required of the caller.
    let stride = unsafe { layout::caller_size(table.domains, "source: domains") }?;
    let mut domains = Vec::new();
    let mut ids = HashSet::new();
    for index in 0..table.domain_count as usize {
        // SAFETY: within the array, whose elements have the `struct_size` of the first.
        let at = unsafe { table.domains.byte_add(index * stride) };
        // SAFETY: an element of the array; each begins with its size.
        if unsafe { layout::caller_size(at, "source: domains") }? != stride {
            return Err(Failure::argument("source: domains differ in struct_size"));
        }
        // SAFETY: an element of the array, with `struct_size` bytes.
        let row = unsafe { layout::read(at, "source: domains") }?;
        // SAFETY: as required of the caller.
        let domain = unsafe { domain(&row, name) }?;
        if !ids.insert(domain.id.clone()) {
            return Err(Failure::argument(format!("source: two domains have the id {}", domain.id)));
        }
        domains.push(domain);
    }
    Ok((name.to_owned(), domains))
}

/// # Safety
/// As for [`checked`].
unsafe fn domain(row: &SourceDomain, source: &str) -> Result<Domain, Failure> {
    // SAFETY: as required of the caller.
    let id = unsafe { text::name(row.id, "source: domain id") }?;
    // SAFETY: as required of the caller.
    let quantity = unsafe { text::name(row.domain, "source: domain") }?;
    if row.reserved != 0 {
        let reserved = row.reserved;
        return Err(Failure::argument(format!(
            "source: {id}: reserved is {reserved}; allowed: 0 (zero the struct first)"
        )));
    }
    let component = component(row.component)?;
    let mut domain = match row.kind {
        ECO2_KIND_ENERGY => Domain::counter(id, component, quantity, source),
        ECO2_KIND_POWER => Domain::power(id, component, quantity, source),
        other => {
            return Err(Failure::argument(format!("source: {id}: kind is {other}; allowed: ECO2_KIND_... (0, 1)")));
        }
    };
    if !row.name.is_null() {
        // SAFETY: as required of the caller.
        domain.name = unsafe { text::name(row.name, "source: domain name") }?.to_owned();
    }
    if !row.parent.is_null() {
        // SAFETY: as required of the caller.
        domain.parent = Some(unsafe { text::name(row.parent, "source: domain parent") }?.to_owned());
    }
    domain.scale = Scale::from_base_per_raw(row.base_per_raw).ok_or_else(|| {
        Failure::argument(format!("source: {id}: base_per_raw is {}; allowed: 1e-15 to 1e12", row.base_per_raw))
    })?;
    domain.range = (row.range > 0).then_some(row.range);
    domain.max_uw = limit(id, row.max_w)?;
    Ok(domain)
}

/// Returns the measured part of the machine by its constant.
fn component(number: i32) -> Result<Component, Failure> {
    Ok(match number {
        ECO2_COMPONENT_CPU => Component::Cpu,
        ECO2_COMPONENT_MEMORY => Component::Memory,
        ECO2_COMPONENT_GPU => Component::Gpu,
        ECO2_COMPONENT_OTHER => Component::Other,
        other => {
            return Err(Failure::argument(format!(
                "source: component is {other}; allowed: ECO2_COMPONENT_... (0 to 3)"
            )));
        }
    })
}

/// Converts a limit in watts to microwatts; 0 becomes `None`.
fn limit(id: &str, watts: f64) -> Result<Option<u64>, Failure> {
    if !(0.0..=1e9).contains(&watts) {
        return Err(Failure::argument(format!("source: {id}: max_w is {watts}; allowed: 0 (not known) to 1e9")));
    }
    Ok((watts > 0.0).then_some((watts * 1e6).ceil() as u64))
}

/// Returns a registered source as the sampling thread reads it.
pub(crate) fn adapter(source: &Arc<RegisteredSource>) -> Box<dyn Source> {
    Box::new(Adapter(Arc::clone(source)))
}

struct Adapter(Arc<RegisteredSource>);

impl Source for Adapter {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn domains(&self) -> &[Domain] {
        &self.0.domains
    }

    fn read(&mut self, batch: &mut Readings) {
        for domain in 0..self.0.domains.len() {
            batch.one(domain, || self.value(domain as u32));
        }
    }
}

impl Adapter {
    fn value(&self, domain: u32) -> Result<u64, Fault> {
        let data = self.0.user.as_ref().map_or(std::ptr::null_mut(), UserData::get);
        let mut value = 0;
        // SAFETY: a function as the header describes it, with its own user data and a place for a number.
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

/// Registers a source that the program implements. The next meter that this process opens takes it over.
///
/// `read` is called on that meter's sampling thread only, several times a second, with no lock held; it must return
/// soon. `destroy`, if not NULL, is called once, on any thread, after the last read and before closing or freeing the
/// meter returns (unless `read` does not return). If opening fails the source waits for the next meter. On failure of this
/// call the caller keeps `user_data`. Any thread. Since 0.1.
///
/// ```c
/// #include <eco2.h>
/// #include <stdio.h>
/// #include <time.h>
///
/// static int32_t read_energy(void *user_data, uint32_t domain, uint64_t *value) {
///     (void)user_data;
///     if (domain != 0) {
///         return ECO2_FAULT_NOT_AVAILABLE;
///     }
///     struct timespec now;
///     timespec_get(&now, TIME_UTC);
///     *value = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) * 40;
///     return ECO2_OK;
/// }
///
/// int main(void) {
///     eco2_source_domain domain = {.struct_size = sizeof domain, .component = ECO2_COMPONENT_OTHER,
///                                  .kind = ECO2_KIND_ENERGY, .id = "mains-0", .domain = "mains",
///                                  .base_per_raw = 1e-3};
///     eco2_source source = {.struct_size = sizeof source, .domain_count = 1, .name = "mains",
///                           .domains = &domain, .read = read_energy};
///     eco2_meter *meter = NULL;
///     if (eco2_register_source(&source) != ECO2_OK || eco2_meter_open(NULL, &meter) != ECO2_OK) {
///         fprintf(stderr, "%s\n", eco2_last_error());
///         return 1;
///     }
///     uint32_t count;
///     if (eco2_device_count(meter, &count) == ECO2_OK) {
///         printf("%u devices\n", (unsigned)count);
///     }
///     eco2_meter_free(meter);
///     return 0;
/// }
/// ```
///
/// # Safety
/// `source` is NULL or as long as its `struct_size`, and so are its domains; its texts end with NUL; its functions are fit for
/// `user_data` and for the sampling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_register_source(source: *const SourceTable) -> i32 {
    guard(|| {
        mute_panics();
        // SAFETY: as required of the caller.
        let table = unsafe { layout::read(source, "source") }?;
        // SAFETY: as required of the caller.
        let (name, domains) = unsafe { checked(&table) }?;
        let read = table.read.ok_or_else(|| Failure::null("source: read"))?;
        let user = Some(UserData::new(table.user_data, table.destroy));
        add_source(RegisteredSource { name, domains, read, user, end: SourceEnd::default() });
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k19_reserved_field_of_a_domain_must_be_zero() {
        let mut row = SourceDomain::zeroed();
        row.struct_size = size_of::<SourceDomain>() as u32;
        (row.component, row.kind) = (ECO2_COMPONENT_OTHER, ECO2_KIND_ENERGY);
        (row.id, row.domain, row.base_per_raw) = (c"a".as_ptr(), c"board".as_ptr(), 1e-6);
        let mut check = |reserved: u32| {
            row.reserved = reserved;
            // SAFETY: the texts are constants that end with NUL.
            unsafe { domain(&row, "test") }.map(|_| ())
        };
        assert!(check(0).is_ok());
        let refused = format!("{:?}", check(7).unwrap_err());
        assert!(refused.contains("reserved is 7"), "{refused}");
    }
}
