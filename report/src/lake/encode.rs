//! A table as the bytes of a Parquet file.
//!
//! Whole numbers are stored as differences (`DELTA_BINARY_PACKED`), which needs less space than the default encoding for times and
//! energies; texts and numbers with few different values through a dictionary. Pages are compressed with zstd. Equal tables have equal
//! bytes.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type};

use super::runs::{ZSTD_LEVEL, cut, write_equal, write_steps};
use super::table::{Column, Table, Values};

/// The writer's name in the files. Without a version, so that a new version of eco2 writes a known record to the same bytes.
const CREATED_BY: &str = "eco2";
/// Largest number of rows of a row group, the unit in which databases read.
const GROUP_ROWS: usize = 1 << 20;

/// Returns the bytes of a Parquet file with all rows of a table.
///
/// # Errors
/// Those of the Parquet writer: columns of unequal length.
pub(super) fn encode(table: &Table) -> Result<Vec<u8>> {
    let columns: Vec<_> = table.columns.iter().map(column_type).collect::<Result<_>>()?;
    let schema = Type::group_type_builder(table.name).with_fields(columns).build()?;
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties(table)?))?;
    let described = writer.schema_descr().columns().to_vec();
    for from in (0..table.rows()).step_by(GROUP_ROWS) {
        let rows = from..table.rows().min(from + GROUP_ROWS);
        let mut group = writer.next_row_group()?;
        for (column, described) in table.columns.iter().zip(&described) {
            write_column(&mut group, described, &column.values, rows.clone())?;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn properties(table: &Table) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in &table.columns {
        if matches!(column.values, Values::Integers(_) | Values::OptionalIntegers(_) | Values::Instants(_)) {
            let path = || ColumnPath::from(column.name);
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
        // Keys and energies of all intervals: no query selects rows by their smallest and largest value.
        if matches!(column.values, Values::Integers(_)) {
            let path = ColumnPath::from(column.name);
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(properties.build())
}

/// Returns the type of a column.
fn column_type(column: &Column) -> Result<Arc<Type>> {
    let (physical, logical, repetition) = match column.values {
        Values::Integers(_) | Values::Steps(_) => (Physical::INT64, None, Repetition::REQUIRED),
        Values::OptionalIntegers(_) => (Physical::INT64, None, Repetition::OPTIONAL),
        Values::Instants(_) | Values::InstantSteps(_) => {
            let unit = TimeUnit::MICROS;
            let instant = LogicalType::timestamp(true, unit);
            (Physical::INT64, Some(instant), Repetition::OPTIONAL)
        }
        Values::Numbers(_) | Values::Equal(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
        Values::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
        Values::Flags(_) => (Physical::BOOLEAN, None, Repetition::REQUIRED),
    };
    let builder = Type::primitive_type_builder(column.name, physical).with_repetition(repetition);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

/// Writes some rows of one column into a row group.
fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    described: &ColumnDescPtr,
    values: &Values,
    rows: Range<usize>,
) -> Result<()> {
    match values {
        Values::Integers(all) => write::<Int64Type, W>(group, &all[rows], None),
        Values::OptionalIntegers(all) | Values::Instants(all) => write_optional::<Int64Type, W>(group, all.rows(rows)),
        Values::Numbers(all) => write_optional::<DoubleType, W>(group, all.rows(rows)),
        Values::Texts(all) => write_optional::<ByteArrayType, W>(group, all.rows(rows)),
        Values::Flags(all) => write::<BoolType, W>(group, &all[rows], None),
        Values::Steps(runs) | Values::InstantSteps(runs) => write_steps(group, described.clone(), &cut(runs, &rows)),
        Values::Equal(runs) => write_equal(group, described.clone(), &cut(runs, &rows)),
    }
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn write_optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    (known, levels): (&[T::T], &[i16]),
) -> Result<()> {
    write::<T, W>(group, known, Some(levels))
}

#[cfg(test)]
mod tests {
    use super::super::runs::{Equal, Steps};
    use super::*;

    /// One counter for a day at one row per second: 270 to 330 W at random, to the microjoule.
    fn day() -> Table {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut energy_uj = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(270_000_000 + state % 60_000_000).unwrap_or(0)
        };
        let steps = |first, step| Steps { first, step, rows: 86_400 };
        let column = |name, values| Column { name, values };
        let columns = vec![
            column("counter", Values::Steps(vec![steps(0x1234_5678_9abc_def0, 0)])),
            column("from_ns", Values::Steps(vec![steps(1_000_000_000_000, 1_000_000_000)])),
            column("to_ns", Values::Steps(vec![steps(1_001_000_000_000, 1_000_000_000)])),
            column("started_at", Values::InstantSteps(vec![steps(1_774_000_000_000_000, 1_000_000)])),
            column("energy_uj", Values::Integers((0..86_400).map(|_| energy_uj()).collect())),
            column("g_per_kwh", Values::Equal(vec![Equal { number: Some(473.25), rows: 86_400 }])),
        ];
        Table { name: "intervals", day: None, columns }
    }

    #[test]
    fn a_row_per_second_takes_at_most_three_and_a_half_bytes() {
        let table = day();
        let bytes = encode(&table).unwrap();
        assert!(bytes.len() * 2 <= table.rows() * 7, "{} bytes for {} rows", bytes.len(), table.rows());
        assert_eq!(encode(&table).unwrap(), bytes, "equal tables have equal bytes");
    }
}
