//! Columns of which only runs of rows are kept: whole numbers that rise by equal steps, and numbers that stay equal.
//!
//! Parquet's own encodings store such a run in some bytes, but the writer of the crate `parquet` needs every row of it. Here the bytes of a
//! column are made from its runs, so that a row costs no time: differences (`DELTA_BINARY_PACKED`) for whole numbers, a dictionary with
//! run lengths (`RLE_DICTIONARY`) for numbers. Each column of a row group is one page.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Level of the compression: the quickest, because differences leave it little to find.
pub(super) const ZSTD_LEVEL: i32 = 1;
/// Differences per block, for which their smallest is stored once.
const BLOCK: usize = 256;
/// Differences per part of a block that are stored with one number of bits.
const MINI_BLOCK: usize = 64;
const MINI_BLOCKS: usize = BLOCK / MINI_BLOCK;

/// Rows of a column that follow each other, and how their values differ.
pub(super) trait Run: Clone {
    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Returns a part of the run.
    fn part(&self, rows: Range<usize>) -> Self;
}

/// Whole numbers that rise by equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) first: i64,
    pub(super) step: i64,
    pub(super) rows: usize,
}

/// Rows with the same number; `None` is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Equal {
    pub(super) number: Option<f64>,
    pub(super) rows: usize,
}

impl Steps {
    fn at(self, row: usize) -> i64 {
        self.first.wrapping_add(self.step.wrapping_mul(i64::try_from(row).unwrap_or(i64::MAX)))
    }

    fn last(self) -> i64 {
        self.at(self.rows.saturating_sub(1))
    }
}

impl Run for Steps {
    fn rows(&self) -> usize {
        self.rows
    }

    fn part(&self, rows: Range<usize>) -> Self {
        Self { first: self.at(rows.start), rows: rows.len(), ..*self }
    }
}

impl Run for Equal {
    fn rows(&self) -> usize {
        self.rows
    }

    fn part(&self, rows: Range<usize>) -> Self {
        Self { rows: rows.len(), ..*self }
    }
}

/// Returns the number of rows of all runs.
pub(super) fn row_count<R: Run>(runs: &[R]) -> usize {
    runs.iter().map(Run::rows).sum()
}

/// Returns the runs of some rows of a column, none of them empty.
pub(super) fn cut<R: Run>(runs: &[R], rows: &Range<usize>) -> Vec<R> {
    let mut before = 0;
    let part = |run: &R| {
        let begin = before;
        before += run.rows();
        let within = rows.start.max(begin)..rows.end.min(before);
        (!within.is_empty()).then(|| run.part(within.start - begin..within.end - begin))
    };
    runs.iter().filter_map(part).collect()
}

/// Writes a column of whole numbers that are always known.
///
/// # Errors
/// Those of the Parquet writer.
pub(super) fn write_steps<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: ColumnDescPtr,
    steps: &[Steps],
) -> Result<()> {
    let mut data = if column.max_def_level() > 0 { levels(&[(1, row_count(steps))]) } else { Vec::new() };
    differences(&mut data, steps);
    let ends = || steps.iter().flat_map(|run| [run.first, run.last()]);
    let statistics = Statistics::int64(ends().min(), ends().max(), None, Some(0), false);
    let page = data_page(&data, row_count(steps), Encoding::DELTA_BINARY_PACKED)?;
    append(group, column, vec![page], row_count(steps), statistics)
}

/// Writes a column of numbers.
///
/// # Errors
/// Those of the Parquet writer.
pub(super) fn write_equal<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: ColumnDescPtr,
    runs: &[Equal],
) -> Result<()> {
    let known = || runs.iter().filter_map(|run| Some((run.number?, run.rows)));
    let (mut dictionary, mut place_of, mut places) = (Vec::<f64>::new(), BTreeMap::new(), Vec::new());
    for (number, rows) in known() {
        let place = *place_of.entry(number.to_bits()).or_insert_with(|| {
            dictionary.push(number);
            dictionary.len() - 1
        });
        places.push((place, rows));
    }
    let bits = usize::BITS - dictionary.len().saturating_sub(1).leading_zeros();
    let levels_of: Vec<_> = runs.iter().map(|run| (usize::from(run.number.is_some()), run.rows)).collect();
    let mut data = levels(&levels_of);
    data.push(low_byte(u64::from(bits)));
    run_lengths(&mut data, &places, bits.div_ceil(8) as usize);
    let numbers: Vec<u8> = dictionary.iter().flat_map(|number| number.to_le_bytes()).collect();
    let count = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
    let buf = compressed(&numbers)?.into();
    let dictionary_page = Page::DictionaryPage { buf, num_values: count, encoding: Encoding::PLAIN, is_sorted: false };
    let unknown = row_count(runs) - known().map(|(_, rows)| rows).sum::<usize>();
    let least = dictionary.iter().copied().reduce(f64::min);
    let most = dictionary.iter().copied().reduce(f64::max);
    let statistics = Statistics::double(least, most, None, Some(unknown as u64), false);
    let pages = vec![
        CompressedPage::new(dictionary_page, numbers.len()),
        data_page(&data, row_count(runs), Encoding::RLE_DICTIONARY)?,
    ];
    append(group, column, pages, row_count(runs), statistics)
}

fn data_page(data: &[u8], rows: usize, encoding: Encoding) -> Result<CompressedPage> {
    let page = Page::DataPage {
        buf: compressed(data)?.into(),
        num_values: u32::try_from(rows)?,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    Ok(CompressedPage::new(page, data.len()))
}

/// Compresses a page as the crate `parquet` does.
fn compressed(data: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::bulk::compress(data, ZSTD_LEVEL)?)
}

/// Appends a column with these pages; of two the first is the dictionary.
fn append<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: ColumnDescPtr,
    pages: Vec<CompressedPage>,
    rows: usize,
    statistics: Statistics,
) -> Result<()> {
    let mut bytes = TrackedWrite::new(Vec::new());
    let (mut offsets, mut encodings, mut uncompressed) = (Vec::new(), vec![Encoding::RLE], 0);
    for page in pages {
        encodings.push(page.encoding());
        let written = SerializedPageWriter::new(&mut bytes).write_page(page)?;
        offsets.push(i64::try_from(written.offset)?);
        uncompressed += written.uncompressed_size;
    }
    let length = bytes.bytes_written();
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_total_compressed_size(i64::try_from(length)?)
        .set_total_uncompressed_size(i64::try_from(uncompressed)?)
        .set_num_values(i64::try_from(rows)?)
        .set_dictionary_page_offset(offsets.iter().rev().nth(1).copied())
        .set_data_page_offset(offsets.last().copied().unwrap_or(0))
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: length as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    group.append_column(&Bytes::from(bytes.into_inner()?), close)
}

/// Returns the levels of rows, in runs of a level (1: known) and its number of rows, as a data page begins with them.
fn levels(runs: &[(usize, usize)]) -> Vec<u8> {
    let mut out = vec![0; 4];
    run_lengths(&mut out, runs, 1);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_le_bytes());
    out
}

/// Appends runs of a number and how often it follows itself. A number takes `width` bytes.
fn run_lengths(out: &mut Vec<u8>, runs: &[(usize, usize)], width: usize) {
    for (number, rows) in runs {
        variable(out, (*rows as u64) << 1);
        out.extend_from_slice(&number.to_le_bytes()[..width]);
    }
}

/// Appends whole numbers as `DELTA_BINARY_PACKED`.
fn differences(out: &mut Vec<u8>, runs: &[Steps]) {
    let first = runs.first().map_or(0, |run| run.first);
    variable(out, BLOCK as u64);
    variable(out, MINI_BLOCKS as u64);
    variable(out, row_count(runs) as u64);
    signed_variable(out, first);
    let mut block = Vec::with_capacity(BLOCK);
    let mut before = None;
    for run in runs {
        let jump = before.map(|before| (run.first.wrapping_sub(before), 1));
        before = Some(run.last());
        for (difference, count) in jump.into_iter().chain([(run.step, run.rows - 1)]) {
            let mut left = count;
            while left > 0 {
                if block.is_empty() && left >= BLOCK {
                    signed_variable(out, difference);
                    out.extend_from_slice(&[0; MINI_BLOCKS]);
                    left -= BLOCK;
                    continue;
                }
                let added = left.min(BLOCK - block.len());
                block.resize(block.len() + added, difference);
                left -= added;
                if block.len() == BLOCK {
                    pack_block(out, &block);
                    block.clear();
                }
            }
        }
    }
    if !block.is_empty() {
        pack_block(out, &block);
    }
}

/// Appends a block of differences: the smallest, the numbers of bits, and what each is above the smallest.
fn pack_block(out: &mut Vec<u8>, block: &[i64]) {
    let least = block.iter().copied().min().unwrap_or(0);
    signed_variable(out, least);
    let widths_at = out.len();
    out.extend_from_slice(&[0; MINI_BLOCKS]);
    for (place, part) in block.chunks(MINI_BLOCK).enumerate() {
        let above = |difference: &i64| difference.wrapping_sub(least) as u64;
        let width = u64::BITS - part.iter().map(above).max().unwrap_or(0).leading_zeros();
        out[widths_at + place] = low_byte(width.into());
        let (mut bits, mut filled) = (0_u128, 0);
        for number in part.iter().map(above).chain(std::iter::repeat(0)).take(MINI_BLOCK) {
            bits |= u128::from(number) << filled;
            filled += width;
            while filled >= 8 {
                out.push(low_byte(bits as u64));
                bits >>= 8;
                filled -= 8;
            }
        }
    }
}

/// Appends a number with seven bits per byte.
fn variable(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Appends a number whose sign is the lowest bit.
fn signed_variable(out: &mut Vec<u8>, number: i64) {
    variable(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
    use parquet::data_type::{DataType, DoubleType, Int64Type};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use proptest::prelude::*;

    use super::super::encode::encode;
    use super::super::table::{Column, Table, Values};
    use super::*;

    /// Writes a table with one column, and returns its rows as the reader of the crate `parquet` has them, `None` where a row is not known.
    fn written<T: DataType>(values: Values) -> Vec<Option<T::T>> {
        let table = Table { name: "runs", day: None, columns: vec![Column { name: "column", values }] };
        let file = SerializedFileReader::new(Bytes::from(encode(&table).unwrap())).unwrap();
        let group = file.get_row_group(0).unwrap();
        let mut column: ColumnReaderImpl<T> = get_typed_column_reader(group.get_column_reader(0).unwrap());
        let (mut levels, mut known) = (Vec::new(), Vec::new());
        column.read_records(table.rows(), Some(&mut levels), None, &mut known).unwrap();
        if levels.is_empty() {
            levels = vec![1; known.len()];
        }
        let mut known = known.into_iter();
        levels.into_iter().map(|level| if level > 0 { known.next() } else { None }).collect()
    }

    fn any_steps() -> impl Strategy<Value = Vec<Steps>> {
        let small = (-1_000..1_000_i64, -3..4_i64, 1..600_usize);
        let any = (any::<i64>(), any::<i64>(), 1..10_usize);
        let run = prop_oneof![4 => small, 1 => any];
        prop::collection::vec(run.prop_map(|(first, step, rows)| Steps { first, step, rows }), 1..8)
    }

    fn any_equal() -> impl Strategy<Value = Vec<Equal>> {
        let run = (prop::option::of((0..600_u32).prop_map(f64::from)), 1..600_usize);
        prop::collection::vec(run.prop_map(|(number, rows)| Equal { number, rows }), 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn steps_are_read_as_their_rows(runs in any_steps()) {
            let rows: Vec<_> = runs.iter().flat_map(|run| (0..run.rows).map(|row| Some(run.at(row)))).collect();
            prop_assert_eq!(written::<Int64Type>(Values::Steps(runs.clone())), rows.clone());
            prop_assert_eq!(written::<Int64Type>(Values::InstantSteps(runs)), rows);
        }

        #[test]
        fn equal_numbers_are_read_as_their_rows(runs in any_equal()) {
            let rows: Vec<_> = runs.iter().flat_map(|run| std::iter::repeat_n(run.number, run.rows)).collect();
            prop_assert_eq!(written::<DoubleType>(Values::Equal(runs)), rows);
        }

        #[test]
        fn a_cut_has_the_rows_between_its_ends(runs in any_steps(), ends in (0..900_usize, 0..900_usize)) {
            let rows = |runs: &[Steps]| runs.iter().flat_map(|run| (0..run.rows).map(|row| run.at(row))).collect::<Vec<_>>();
            let all = rows(&runs);
            let (from, to) = (ends.0.min(ends.1).min(all.len()), ends.0.max(ends.1).min(all.len()));
            prop_assert_eq!(rows(&cut(&runs, &(from..to))), &all[from..to]);
        }
    }

    #[test]
    fn a_million_rows_take_some_bytes_per_block() {
        let rows = 1 << 20;
        let mut bytes = Vec::new();
        differences(&mut bytes, &[Steps { first: 7_200_000_000_000, step: 1_000_000_000, rows }]);
        assert!(bytes.len() < rows / BLOCK * 10, "{} bytes", bytes.len());
    }
}
