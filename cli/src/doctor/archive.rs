//! Writes a `.tar.gz` file of a few texts ([`archive`]): the format ustar (POSIX.1-2017, `pax`) in a gzip file (RFC 1952) whose blocks are
//! stored, not compressed (RFC 1951, 3.2.4). Every `tar` reads it.

/// Bytes of a tar record.
const RECORD: usize = 512;
/// Most bytes of a stored block.
const BLOCK: usize = 65_535;

/// Returns the archive of files with these names and texts.
pub(super) fn archive(files: &[(&str, String)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, text) in files {
        tar.extend(header(name, text.len()));
        tar.extend(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(RECORD), 0);
    }
    // Two empty records end the archive.
    tar.resize(tar.len() + 2 * RECORD, 0);
    gzip(&tar)
}

/// Returns the record before a file: its name, mode, size and the sum of the record's bytes, where the sum itself counts as blanks.
fn header(name: &str, size: usize) -> Vec<u8> {
    let text = |text: &str, width: usize| format!("{text:\0<width$}");
    let octal = |number: usize, width: usize| format!("{number:0>0$o}\0", width - 1);
    let record = |sum: &str| {
        let owner_and_time = octal(0, 8).repeat(2) + &octal(size, 12) + &octal(0, 12);
        let mut record = text(name, 100) + &octal(0o644, 8) + &owner_and_time + sum + "0";
        record += &(text("", 100) + "ustar\x0000");
        text(&record, RECORD).into_bytes()
    };
    let sum: usize = record("        ").iter().map(|byte| usize::from(*byte)).sum();
    record(&format!("{sum:06o}\0 "))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Magic, deflate, no flags, no time, no hint, unknown system.
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(crc32fast::hash(bytes).to_le_bytes());
    // The size modulo 2^32.
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}
