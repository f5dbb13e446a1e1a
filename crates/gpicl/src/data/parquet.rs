//! Parquet files as cells.

use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use bytes::Bytes;

use super::cells::Cells;
use crate::error::{Error, Result};

/// Reads a file of plain columns; `path` is what an error calls it.
///
/// # Errors
/// [`Error::File`] if the file is not whole, or naming the column that holds lists, tables or bytes.
pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Cells> {
    let broken = |error| Error::file(path, format!("is no whole Parquet file: {error}"), "write it anew");
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(broken)?;
    let columns = reader.metadata().file_metadata().schema().get_fields();
    let header = columns.iter().map(|column| column.name().to_string()).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(broken)? {
        let row = row.map_err(broken)?;
        let cells = row.get_column_iter().map(|(name, field)| {
            cell(field).ok_or_else(|| {
                let problem = "holds something other than numbers, texts and truth values";
                Error::file_at(path, format!("column `{name}`"), problem, "leave the column out of the file")
            })
        });
        rows.push(cells.collect::<Result<Vec<_>>>()?);
    }
    // As if the header were a line.
    let lines = (2..).take(rows.len()).collect();
    Ok(Cells { header, rows, lines, decimal_comma: false })
}

/// A value as text that reads back as the same value; times as the numbers that the file has.
fn cell(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => String::new(),
        Field::Bool(value) => value.to_string(),
        Field::Byte(value) => value.to_string(),
        Field::Short(value) => value.to_string(),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => value.to_string(),
        Field::Long(value)
        | Field::TimeMicros(value)
        | Field::TimestampMillis(value)
        | Field::TimestampMicros(value) => value.to_string(),
        Field::UByte(value) => value.to_string(),
        Field::UShort(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::ULong(value) => value.to_string(),
        Field::Float16(value) => value.to_string(),
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Str(value) => value.trim().to_string(),
        Field::Decimal(_) => field.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::parquet::data_type::{BoolType, ByteArrayType, DoubleType, Int64Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    fn file() -> Vec<u8> {
        let schema = "message table {
            optional double size; required int64 time; required boolean old; optional binary kind (UTF8);
        }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::default())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[0.1, 1e39], Some(&[1, 0, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1_700_000_000_001, 2, 3], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<BoolType>().write_batch(&[true, false, true], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts = ["a, b".into(), "c".into()];
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 1, 0]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn columns_become_the_texts_of_their_values() {
        let cells = parse(Path::new("t.parquet"), file()).unwrap();
        assert_eq!(cells.header, ["size", "time", "old", "kind"]);
        assert_eq!(cells.rows[0], ["0.1", "1700000000001", "true", "a, b"]);
        assert_eq!(cells.rows[1], ["", "2", "false", "c"]);
        assert_eq!(cells.rows[2][0].parse::<f64>().unwrap(), 1e39);
        assert_eq!(cells.rows[2][3], "");
        assert_eq!(cells.lines, [2, 3, 4]);
    }

    #[test]
    fn a_file_that_is_cut_is_named() {
        let mut bytes = file();
        bytes.truncate(bytes.len() / 2);
        let error = parse(Path::new("t.parquet"), bytes).err().unwrap().to_string();
        assert!(error.contains("t.parquet") && error.contains("no whole Parquet file"), "{error}");
    }
}
