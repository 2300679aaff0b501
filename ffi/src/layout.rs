//! Out-parameters, and structs that may grow: they begin with their size, are appended to and never changed.

use std::mem::MaybeUninit;
use std::ptr;

use crate::failure::Failure;
use crate::status::ECO2_ERR_STRUCT_SIZE;

/// Larger than any struct of any version: a size above it is a mistake.
const LARGEST: usize = 4096;

/// A struct whose first field is its size as the caller knows it.
///
/// # Safety
/// `repr(C)`, begins with `struct_size: u32`, has no holes, and any bytes make a value of it.
pub(crate) unsafe trait Growable: Copy {
    /// Its size in the first version that had it.
    const FIRST: usize;

    /// The struct of zeros, which is what an old caller's missing fields hold.
    fn zeroed() -> Self {
        // SAFETY: any bytes make a value, so do zeros.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// Reads a struct of the caller's; what an old caller lacks is zero.
///
/// # Safety
/// `at` is NULL or points to as many readable bytes as its `struct_size` says.
pub(crate) unsafe fn read<T: Growable>(at: *const T, argument: &'static str) -> Result<T, Failure> {
    // SAFETY: as required of the caller.
    let size = unsafe { size_of_callers(at, argument) }?;
    let own = size_of::<T>();
    for offset in own..size {
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
    unsafe { ptr::copy_nonoverlapping(at.cast::<u8>(), (&raw mut value).cast::<u8>(), size.min(own)) };
    Ok(value)
}

/// The size that a struct of the caller's says it has; one of this struct's sizes.
///
/// # Safety
/// `at` is NULL or points to a readable size.
pub(crate) unsafe fn size_of_callers<T: Growable>(at: *const T, argument: &'static str) -> Result<usize, Failure> {
    if at.is_null() {
        return Err(Failure::null(argument));
    }
    // SAFETY: not NULL, and the struct begins with its size.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if (T::FIRST..=LARGEST).contains(&size) {
        return Ok(size);
    }
    let text = format!("{argument}: struct_size is {size}, which is no size of this struct (sizeof gives it)");
    Err(Failure::new(ECO2_ERR_STRUCT_SIZE, text))
}

/// A place of the caller's for a struct that may grow.
pub(crate) struct OutStruct<T> {
    at: *mut T,
    size: usize,
}

impl<T: Growable> OutStruct<T> {
    /// Checks the place; nothing is written.
    ///
    /// # Safety
    /// `at` is NULL or points to as many readable and writable bytes as its `struct_size` says, until [`Self::put`].
    pub(crate) unsafe fn new(at: *mut T, argument: &'static str) -> Result<Self, Failure> {
        // SAFETY: as required of the caller.
        let size = unsafe { size_of_callers(at.cast_const(), argument) }?;
        Ok(Self { at, size })
    }

    /// Writes what the caller has room for and zeros behind it; `struct_size` stays the caller's.
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

/// A place of the caller's for one plain value.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Checks the place; nothing is written.
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

/// An array of the caller's for plain values.
pub(crate) struct OutArray<T> {
    at: *mut T,
    len: usize,
}

impl<T> OutArray<T> {
    /// Checks the place, NULL only without elements; nothing is written.
    ///
    /// # Safety
    /// `at` is writable and aligned for `len` elements until [`Self::fill`].
    pub(crate) unsafe fn new(at: *mut T, len: usize, argument: &'static str) -> Result<Self, Failure> {
        if at.is_null() && len > 0 { Err(Failure::null(argument)) } else { Ok(Self { at, len }) }
    }

    /// At most its first `len` elements.
    pub(crate) fn first(self, len: usize) -> Self {
        Self { len: len.min(self.len), ..self }
    }

    /// Writes every element, made from its index.
    pub(crate) fn fill(self, mut value: impl FnMut(usize) -> T) {
        for index in 0..self.len {
            // SAFETY: within the array, see `new`.
            let element = unsafe { self.at.add(index) };
            // SAFETY: writable, as `new` requires.
            unsafe { element.write(value(index)) };
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
        const FIRST: usize = 8;
    }

    fn read_bytes(words: &[u64]) -> Result<Grown, Failure> {
        // SAFETY: the tests below give as many bytes as they say.
        unsafe { read(words.as_ptr().cast::<Grown>(), "work") }
    }

    #[test]
    fn an_old_caller_lacks_a_field_and_a_new_one_has_more() {
        assert_eq!(read_bytes(&[7 << 32 | 8, 99]).unwrap(), Grown { struct_size: 8, flags: 7, late: 0 });
        assert_eq!(read_bytes(&[7 << 32 | 16, 99]).unwrap().late, 99);
        assert_eq!(read_bytes(&[7 << 32 | 24, 99, 0]).unwrap().late, 99);
        assert_eq!(read_bytes(&[7 << 32 | 24, 99, 1 << 56]).unwrap_err().code, ECO2_ERR_STRUCT_SIZE);
        for wrong in [0, 7, 4097, u64::from(u32::MAX)] {
            assert_eq!(read_bytes(&[wrong, 0]).unwrap_err().code, ECO2_ERR_STRUCT_SIZE, "{wrong}");
        }
    }

    #[test]
    fn an_answer_fits_the_callers_struct() {
        let value = Grown { struct_size: 0, flags: 3, late: 5 };
        for (size, expected) in [(8, [3 << 32 | 8, 9, 9_u64]), (16, [3 << 32 | 16, 5, 9]), (24, [3 << 32 | 24, 5, 0])] {
            let mut words = [size, 9, 9];
            // SAFETY: three words, at least as much as `size` says.
            let out = unsafe { OutStruct::new(words.as_mut_ptr().cast::<Grown>(), "out") }.unwrap();
            out.put(value);
            assert_eq!(words, expected);
        }
    }
}
