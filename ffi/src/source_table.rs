//! What a host says of its own source, checked and turned into domains.

use std::collections::HashSet;
use std::ffi::{c_char, c_void};

use eco2_core::{Component, Domain, Scale};

use crate::failure::Failure;
use crate::layout::{self, Growable};
use crate::log::DestroyFn;
use crate::numbers::{
    ECO2_COMPONENT_CPU, ECO2_COMPONENT_GPU, ECO2_COMPONENT_MEMORY, ECO2_COMPONENT_OTHER, ECO2_KIND_ENERGY,
    ECO2_KIND_POWER,
};
use crate::text;

/// Most domains of one source.
const MOST_DOMAINS: u32 = 64;

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
    /// What a person calls it; NULL: the id.
    pub name: *const c_char,
    /// Id of the domain that contains this one; NULL: none.
    pub parent: *const c_char,
    /// Joules (ECO2_KIND_ENERGY) or watts (ECO2_KIND_POWER) in one raw unit, 1e-15 to 1e12.
    pub base_per_raw: f64,
    /// Number of raw values before the counter wraps to 0; 0: it does not wrap.
    pub range: u64,
    /// The most it can draw, watts; 0: not known.
    pub max_w: f64,
}

// SAFETY: repr(C) of numbers and pointers without holes on 64-bit machines (asserted in layout_checks), the size first;
// zero is NULL.
unsafe impl Growable for SourceDomain {
    const FIRST: usize = 72;
}

/// A source of the program's own. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SourceTable {
    /// sizeof(eco2_source).
    pub struct_size: u32,
    /// Number of domains, 1 to 64.
    pub domain_count: u32,
    /// Name of the source in reports, 1 to 256 bytes.
    pub name: *const c_char,
    /// The domains; each as long as the first one says. Copied.
    pub domains: *const SourceDomain,
    /// Reads a domain.
    pub read: ReadFn,
    /// Handed to `read` and `destroy`.
    pub user_data: *mut c_void,
    /// Called once when the source is not needed any more; may be NULL.
    pub destroy: DestroyFn,
}

// SAFETY: repr(C) of numbers, pointers and optional functions without holes on 64-bit machines (asserted in
// layout_tests), the size first; zero is NULL.
unsafe impl Growable for SourceTable {
    const FIRST: usize = 48;
}

/// The source's name and domains.
///
/// # Safety
/// Pointers in the table are as the header says.
pub(crate) unsafe fn checked(table: &SourceTable) -> Result<(String, Vec<Domain>), Failure> {
    // SAFETY: as required of the caller.
    let name = unsafe { text::name(table.name, "source: name") }?;
    if table.domain_count == 0 || table.domain_count > MOST_DOMAINS {
        let count = table.domain_count;
        return Err(Failure::argument(format!("source: domain_count is {count}; allowed: 1 to {MOST_DOMAINS}")));
    }
    // SAFETY: as required of the caller.
    let stride = unsafe { layout::size_of_callers(table.domains, "source: domains") }?;
    let mut domains = Vec::new();
    let mut ids = HashSet::new();
    for index in 0..table.domain_count as usize {
        // SAFETY: within the array, whose elements are as long as the first one says.
        let at = unsafe { table.domains.byte_add(index * stride) };
        // SAFETY: an element of the array; each begins with its size.
        if unsafe { layout::size_of_callers(at, "source: domains") }? != stride {
            return Err(Failure::argument("source: domains differ in struct_size"));
        }
        // SAFETY: an element of the array, as long as it says.
        let given = unsafe { layout::read(at, "source: domains") }?;
        // SAFETY: as required of the caller.
        let domain = unsafe { domain(&given, name) }?;
        if !ids.insert(domain.id.clone()) {
            return Err(Failure::argument(format!("source: two domains have the id {}", domain.id)));
        }
        domains.push(domain);
    }
    Ok((name.to_owned(), domains))
}

/// # Safety
/// As for [`checked`].
unsafe fn domain(given: &SourceDomain, source: &str) -> Result<Domain, Failure> {
    // SAFETY: as required of the caller.
    let id = unsafe { text::name(given.id, "source: domain id") }?;
    // SAFETY: as required of the caller.
    let quantity = unsafe { text::name(given.domain, "source: domain") }?;
    if given.reserved != 0 {
        let reserved = given.reserved;
        return Err(Failure::argument(format!(
            "source: {id}: reserved is {reserved}; allowed: 0 (zero the struct first)"
        )));
    }
    let component = component(given.component)?;
    let mut domain = match given.kind {
        ECO2_KIND_ENERGY => Domain::counter(id, component, quantity, source),
        ECO2_KIND_POWER => Domain::power(id, component, quantity, source),
        other => {
            return Err(Failure::argument(format!("source: {id}: kind is {other}; allowed: ECO2_KIND_... (0, 1)")));
        }
    };
    if !given.name.is_null() {
        // SAFETY: as required of the caller.
        domain.name = unsafe { text::name(given.name, "source: domain name") }?.to_owned();
    }
    if !given.parent.is_null() {
        // SAFETY: as required of the caller.
        domain.parent = Some(unsafe { text::name(given.parent, "source: domain parent") }?.to_owned());
    }
    domain.scale = Scale::from_base_per_raw(given.base_per_raw).ok_or_else(|| {
        Failure::argument(format!("source: {id}: base_per_raw is {}; allowed: 1e-15 to 1e12", given.base_per_raw))
    })?;
    domain.range = (given.range > 0).then_some(given.range);
    domain.max_uw = limit(id, given.max_w)?;
    Ok(domain)
}

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

/// Microwatts of a limit in watts.
fn limit(id: &str, watts: f64) -> Result<Option<u64>, Failure> {
    if !(0.0..=1e9).contains(&watts) {
        return Err(Failure::argument(format!("source: {id}: max_w is {watts}; allowed: 0 (not known) to 1e9")));
    }
    Ok((watts > 0.0).then_some((watts * 1e6).ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::ECO2_COMPONENT_OTHER;

    #[test]
    fn k19_reserved_field_of_a_domain_must_be_zero() {
        let mut one = SourceDomain::zeroed();
        one.struct_size = size_of::<SourceDomain>() as u32;
        (one.component, one.kind) = (ECO2_COMPONENT_OTHER, ECO2_KIND_ENERGY);
        (one.id, one.domain, one.base_per_raw) = (c"a".as_ptr(), c"board".as_ptr(), 1e-6);
        let mut tried = |reserved: u32| {
            one.reserved = reserved;
            // SAFETY: the texts are constants that end with NUL.
            unsafe { domain(&one, "test") }.map(|_| ())
        };
        assert!(tried(0).is_ok());
        let refused = format!("{:?}", tried(7).unwrap_err());
        assert!(refused.contains("reserved is 7"), "{refused}");
    }
}
