//! Reads and writes the structs and output parameters of the C interface.
//!
//! A struct may grow: it begins with its size (`struct_size`), later versions append fields, and no field ever changes. So
//! callers that were compiled with another version of the header are served too.

use std::mem::MaybeUninit;
use std::ptr;

use crate::failure::Failure;
use crate::status::ECO2_ERR_STRUCT_SIZE;

/// Largest accepted struct_size, bytes: far above every struct, so that a garbage size is refused.
const MAX_SIZE: usize = 4096;

/// A struct whose first field is its size in the caller's version of the header.
///
/// # Safety
/// `repr(C)`, begins with `struct_size: u32`, has no padding, and any bytes are a valid value.
pub(crate) unsafe trait Growable: Copy {
    /// Its size in the first version that had it.
    const FIRST_SIZE: usize;

    /// Returns the struct of zeros: the value of fields that an old caller's struct lacks.
    fn zeroed() -> Self {
        // SAFETY: any bytes are a valid value, zeros too.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// Fails to compile where a struct's size or an offset is not the one that tests/c/layout.c expects in C.
macro_rules! assert_layout {
    ($type:ident is $size:literal: $($field:ident $offset:literal)*) => {
        #[cfg(target_pointer_width = "64")]
        const _: () = {
            assert!(size_of::<$type>() == $size);
            $(assert!(std::mem::offset_of!($type, $field) == $offset);)*
        };
    };
}
pub(crate) use assert_layout;

/// Copies a struct of the caller; fields that an old caller lacks are zero.
///
/// # Safety
/// `at` is NULL or points to `struct_size` readable bytes.
pub(crate) unsafe fn read<T: Growable>(at: *const T, argument: &'static str) -> Result<T, Failure> {
    // SAFETY: as required of the caller.
    let size = unsafe { caller_size(at, argument) }?;
    let our_size = size_of::<T>();
    for offset in our_size..size {
        // SAFETY: `offset` is below the caller's size.
        let byte = unsafe { at.cast::<u8>().add(offset) };
        // SAFETY: the byte is readable, see above.
        if unsafe { byte.read() } != 0 {
            let text = format!("{argument} has fields that this version does not know, and they are not zero");
            return Err(Failure::new(ECO2_ERR_STRUCT_SIZE, text));
        }
    }
    let mut value = T::zeroed();
    // SAFETY: both sides have at least that many bytes, and `value` is ours.
    unsafe { ptr::copy_nonoverlapping(at.cast::<u8>(), (&raw mut value).cast::<u8>(), size.min(our_size)) };
    Ok(value)
}

/// Returns the caller's `struct_size`, checked: at least the size of the first version.
///
/// # Safety
/// `at` is NULL or points to a readable size.
pub(crate) unsafe fn caller_size<T: Growable>(at: *const T, argument: &'static str) -> Result<usize, Failure> {
    if at.is_null() {
        return Err(Failure::null(argument));
    }
    // SAFETY: not NULL, and the struct begins with its size.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if (T::FIRST_SIZE..=MAX_SIZE).contains(&size) {
        return Ok(size);
    }
    let text = format!("{argument}: struct_size is {size}, which no version of this struct has; set it to sizeof");
    Err(Failure::new(ECO2_ERR_STRUCT_SIZE, text))
}

/// The caller's output parameter for a struct that may grow.
pub(crate) struct OutStruct<T> {
    at: *mut T,
    size: usize,
}

impl<T: Growable> OutStruct<T> {
    /// Checks the parameter; writes nothing.
    ///
    /// # Safety
    /// `at` is NULL or points to `struct_size` readable and writable bytes, until [`Self::put`].
    pub(crate) unsafe fn new(at: *mut T, argument: &'static str) -> Result<Self, Failure> {
        // SAFETY: as required of the caller.
        let size = unsafe { caller_size(at.cast_const(), argument) }?;
        Ok(Self { at, size })
    }

    /// Writes the fields that the caller's struct has, and zeros after them; `struct_size` stays as the caller set it.
    pub(crate) fn put(self, value: T) {
        const SIZE_BYTES: usize = size_of::<u32>();
        let known = self.size.min(size_of::<T>());
        let (from, to) = ((&raw const value).cast::<u8>(), self.at.cast::<u8>());
        // SAFETY: within the struct, which has at least its size field.
        let (from, to_body) = unsafe { (from.add(SIZE_BYTES), to.add(SIZE_BYTES)) };
        // SAFETY: both have `known` bytes; ours and the caller's do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, to_body, known - SIZE_BYTES) };
        // SAFETY: `known` is at most the caller's size.
        let tail = unsafe { to.add(known) };
        // SAFETY: the caller has `size` writable bytes.
        unsafe { tail.write_bytes(0, self.size - known) };
    }
}

/// The caller's output parameter for one plain value.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Checks the parameter; writes nothing.
    ///
    /// # Safety
    /// `at` is NULL or writable and aligned until [`Self::put`].
    pub(crate) unsafe fn new(at: *mut T, argument: &'static str) -> Result<Self, Failure> {
        if at.is_null() { Err(Failure::null(argument)) } else { Ok(Self(at)) }
    }

    pub(crate) fn put(self, value: T) {
        // SAFETY: checked by `new`, and kept by its caller.
        unsafe { self.0.write(value) };
    }
}

/// The caller's output array of plain values.
pub(crate) struct OutArray<T> {
    at: *mut T,
    len: usize,
}

impl<T> OutArray<T> {
    /// Checks the array, which may be NULL only without elements; writes nothing.
    ///
    /// # Safety
    /// `at` is writable and aligned for `len` elements until [`Self::fill`].
    pub(crate) unsafe fn new(at: *mut T, len: usize, argument: &'static str) -> Result<Self, Failure> {
        if at.is_null() && len > 0 { Err(Failure::null(argument)) } else { Ok(Self { at, len }) }
    }

    /// Returns the array, limited to its first `len` elements.
    pub(crate) fn first(self, len: usize) -> Self {
        Self { len: len.min(self.len), ..self }
    }

    /// Writes every element; `value` computes it from the index.
    pub(crate) fn fill(self, mut value: impl FnMut(usize) -> T) {
        (0..self.len).for_each(|index| self.put(index, value(index)));
    }

    /// Writes one element; does nothing for an index beyond the array.
    #[inline]
    pub(crate) fn put(&self, index: usize, value: T) {
        if index < self.len {
            // SAFETY: within the array, see `new`.
            let element = unsafe { self.at.add(index) };
            // SAFETY: writable, as `new` requires.
            unsafe { element.write(value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Grown {
        struct_size: u32,
        flags: u32,
        late: u64,
    }

    // SAFETY: integers without holes, the size first. The first version ended before `late`.
    unsafe impl Growable for Grown {
        const FIRST_SIZE: usize = 8;
    }

    fn read_bytes(words: &[u64]) -> Result<Grown, Failure> {
        // SAFETY: the tests below pass `struct_size` bytes.
        unsafe { read(words.as_ptr().cast::<Grown>(), "work") }
    }

    #[test]
    fn struct_of_an_older_or_newer_caller_is_read() {
        assert_eq!(read_bytes(&[7 << 32 | 8, 99]).unwrap(), Grown { struct_size: 8, flags: 7, late: 0 });
        assert_eq!(read_bytes(&[7 << 32 | 16, 99]).unwrap().late, 99);
        assert_eq!(read_bytes(&[7 << 32 | 24, 99, 0]).unwrap().late, 99);
        assert_eq!(read_bytes(&[7 << 32 | 24, 99, 1 << 56]).unwrap_err().code, ECO2_ERR_STRUCT_SIZE);
        for wrong in [0, 7, 4097, u64::from(u32::MAX)] {
            assert_eq!(read_bytes(&[wrong, 0]).unwrap_err().code, ECO2_ERR_STRUCT_SIZE, "{wrong}");
        }
    }

    #[test]
    fn output_fits_the_callers_struct() {
        let value = Grown { struct_size: 0, flags: 3, late: 5 };
        for (size, expected) in [(8, [3 << 32 | 8, 9, 9_u64]), (16, [3 << 32 | 16, 5, 9]), (24, [3 << 32 | 24, 5, 0])] {
            let mut words = [size, 9, 9];
            // SAFETY: three words, at least `size` bytes.
            let out = unsafe { OutStruct::new(words.as_mut_ptr().cast::<Grown>(), "out") }.unwrap();
            out.put(value);
            assert_eq!(words, expected);
        }
    }
}
