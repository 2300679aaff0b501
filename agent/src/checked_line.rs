//! Lines with a checksum, of the files to which the agent only adds: a line that was cut off, by a crash or by a full disk, is found.
//!
//! A line is a CRC-32 in eight hexadecimal digits, a blank, a text without line ends, and a line end.

/// Bytes of the checksum and the blank.
const HEAD: usize = 9;

/// Adds the line of a text to `line`. `write` writes the text.
///
/// # Errors
/// That of `write`. What was added by then is to be thrown away.
pub(crate) fn add_line<E>(line: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let begin = line.len();
    line.extend_from_slice(b"00000000 ");
    write(line)?;
    let sum = format!("{:08x}", crc32fast::hash(&line[begin + HEAD..]));
    line[begin..begin + sum.len()].copy_from_slice(sum.as_bytes());
    line.push(b'\n');
    Ok(())
}

/// Returns the text of a line; `None`: it was cut off or changed.
pub(crate) fn text_of(line: &[u8]) -> Option<&[u8]> {
    let (sum, text) = line.strip_suffix(b"\n")?.split_at_checked(HEAD)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?.trim_end(), 16).ok()?;
    (sum == crc32fast::hash(text)).then_some(text)
}
