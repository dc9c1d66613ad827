//! Columns as pages of Parquet: for each column the encoding that suits its values, chosen by looking at them.
//!
//! Moments and other ascending numbers are stored as differences; columns of which few different values occur (addresses of
//! code, names, sizes), as a dictionary; the rest as they are, compressed.

use super::columns::{Column, Columns, Data};
use super::names::{Names, mix};
use polars::error::{PolarsError, PolarsResult, to_compute_err};
use polars_arrow::array::{Array, BooleanArray, DictionaryArray, PrimitiveArray, Utf8Array};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType};
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::types::NativeType;
use polars_parquet::read::ParquetError;
use polars_parquet::write::{
    CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, ParquetType, RowGroupIterColumns,
    StatisticsOptions, Version, WriteOptions, ZstdLevel, array_to_columns,
};
use reenact_plugin::{Kind, Table};

/// Values that are looked at before the others.
const SAMPLE: usize = 1024;
/// Places that are tried for one value.
const TRIES: usize = 32;

/// How pages are compressed; docs/tables.md has figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
    /// Not at all.
    Plain,
}

/// Everything that is written is written so.
pub fn options(packing: Packing) -> WriteOptions {
    let compression = match packing {
        Packing::Zstd => CompressionOptions::Zstd(Some(ZstdLevel::try_new(1).expect("1 is a level"))),
        Packing::Lz4 => CompressionOptions::Lz4Raw,
        Packing::Snappy => CompressionOptions::Snappy,
        Packing::Plain => CompressionOptions::Uncompressed,
    };
    WriteOptions { statistics: StatisticsOptions::default(), version: Version::V1, compression, data_page_size: None }
}

/// The schema that a table's files say they have.
pub fn schema(table: &Table) -> ArrowSchema {
    let field = |(at, c): (usize, &reenact_plugin::Column)| Field::new(c.name.into(), storage(c.kind), at > 0);
    table.columns.iter().enumerate().map(field).collect()
}

fn storage(kind: Kind) -> ArrowDataType {
    match kind {
        Kind::Moment | Kind::Address | Kind::U64 => ArrowDataType::UInt64,
        Kind::I64 => ArrowDataType::Int64,
        Kind::U32 => ArrowDataType::UInt32,
        Kind::I32 => ArrowDataType::Int32,
        Kind::U8 => ArrowDataType::UInt8,
        Kind::Bool => ArrowDataType::Boolean,
        Kind::Text | Kind::Name => ArrowDataType::LargeUtf8,
    }
}

/// Rows as a row group.
///
/// # Errors
/// The encoder's.
pub fn row_group(
    rows: &Columns,
    types: &[ParquetType],
    options: WriteOptions,
) -> PolarsResult<RowGroupIterColumns<'static, PolarsError>> {
    let mut encoded = Vec::with_capacity(types.len());
    for (column, type_) in rows.columns().iter().zip(types) {
        encoded.push(Ok(pages(column, type_.clone(), options)?));
    }
    Ok(DynIter::new(encoded.into_iter()))
}

type Pages = DynStreamingIterator<'static, polars_parquet::write::CompressedPage, PolarsError>;

fn pages(column: &Column, type_: ParquetType, mut options: WriteOptions) -> PolarsResult<Pages> {
    let (array, encoding) = array(column)?;
    if encoding == Encoding::DeltaBinaryPacked {
        // There is nothing left that would pack.
        options.compression = CompressionOptions::Uncompressed;
    }
    let pages = array_to_columns(array, type_, options, &[encoding])?.pop().expect("a flat column is one column");
    let pages = pages.map(|page| page.map_err(|e| ParquetError::FeatureNotSupported(e.to_string())));
    let compressed = Compressor::new(DynIter::new(pages), options.compression, Vec::new());
    Ok(DynStreamingIterator::new(polars_parquet::write::FallibleStreamingIterator::map_err(compressed, to_compute_err)))
}

fn array(column: &Column) -> PolarsResult<(Box<dyn Array>, Encoding)> {
    let valid = column.valid.as_ref().map(|v| Bitmap::from(v.as_slice()));
    match &column.data {
        Data::U64(v) => numbers(v, ArrowDataType::UInt64, valid, |n| n),
        Data::I64(v) => numbers(v, ArrowDataType::Int64, valid, |n| n as u64),
        Data::U32(v) => numbers(v, ArrowDataType::UInt32, valid, u64::from),
        Data::I32(v) => numbers(v, ArrowDataType::Int32, valid, |n| n as u64),
        Data::U8(v) => numbers(v, ArrowDataType::UInt8, valid, u64::from),
        Data::Bool(v) => {
            let values = Bitmap::from(v.as_slice());
            Ok((BooleanArray::new(ArrowDataType::Boolean, values, valid).boxed(), Encoding::Plain))
        }
        Data::Name(numbers, names) => Ok((dictionary_of(numbers.clone(), names, valid)?, Encoding::RleDictionary)),
        Data::Text(bytes, ends) => texts(bytes, ends, valid),
    }
}

fn numbers<T: NativeType + Ord>(
    values: &[T],
    dtype: ArrowDataType,
    valid: Option<Bitmap>,
    bits: impl Fn(T) -> u64,
) -> PolarsResult<(Box<dyn Array>, Encoding)> {
    if values.len() > 1 && values.is_sorted() {
        return Ok((PrimitiveArray::new(dtype, values.to_vec().into(), valid).boxed(), Encoding::DeltaBinaryPacked));
    }
    match numbered(values, &bits) {
        Some((keys, found)) => {
            let found = PrimitiveArray::new(dtype.clone(), found.into(), None).boxed();
            Ok((dictionary(keys, found, valid)?, Encoding::RleDictionary))
        }
        None => Ok((PrimitiveArray::new(dtype, values.to_vec().into(), valid).boxed(), Encoding::Plain)),
    }
}

/// The different values, and which of them stands where; none if they are too many to be worth it.
fn numbered<T: NativeType>(values: &[T], bits: impl Fn(T) -> u64) -> Option<(Vec<u32>, Vec<T>)> {
    let most = (values.len() / 4).max(64);
    let mut places = vec![u32::MAX; 4096];
    let (mut keys, mut found): (Vec<u32>, Vec<T>) = (Vec::with_capacity(values.len()), Vec::new());
    for (at, &value) in values.iter().enumerate() {
        if at == SAMPLE && found.len() > SAMPLE / 4 || found.len() > most {
            return None;
        }
        if found.len() * 4 > places.len() {
            places = replaced(&found, places.len() * 4, &bits);
        }
        let mask = places.len() - 1;
        let mut place = mix(bits(value)) as usize & mask;
        let mut tries = 0;
        let key = loop {
            // A guest may choose values that all want the same place.
            tries += 1;
            if tries > TRIES {
                return None;
            }
            match places[place] {
                u32::MAX => {
                    places[place] = found.len() as u32;
                    found.push(value);
                    break found.len() as u32 - 1;
                }
                key if found[key as usize] == value => break key,
                _ => place = (place + 1) & mask,
            }
        };
        keys.push(key);
    }
    Some((keys, found))
}

fn replaced<T: NativeType>(found: &[T], len: usize, bits: impl Fn(T) -> u64) -> Vec<u32> {
    let mut places = vec![u32::MAX; len];
    for (key, &value) in found.iter().enumerate() {
        let mut place = mix(bits(value)) as usize & (len - 1);
        while places[place] != u32::MAX {
            place = (place + 1) & (len - 1);
        }
        places[place] = key as u32;
    }
    places
}

fn texts(bytes: &[u8], ends: &[usize], valid: Option<Bitmap>) -> PolarsResult<(Box<dyn Array>, Encoding)> {
    let mut names = Names::default();
    let mut keys = Vec::with_capacity(ends.len());
    let mut from = 0;
    for &end in ends {
        if keys.len() >= SAMPLE && names.len() > keys.len() / 2 {
            return Ok((utf8(bytes.to_vec(), ends, valid)?, Encoding::Plain));
        }
        keys.push(names.number(&bytes[from..end]));
        from = end;
    }
    Ok((dictionary_of(keys, &names, valid)?, Encoding::RleDictionary))
}

fn dictionary_of(keys: Vec<u32>, names: &Names, valid: Option<Bitmap>) -> PolarsResult<Box<dyn Array>> {
    let (bytes, ends) = names.parts();
    // A column of nulls has numbers of no names.
    let ends = if ends.is_empty() { &[0] } else { ends };
    dictionary(keys, utf8(bytes.to_vec(), ends, None)?, valid)
}

fn dictionary(keys: Vec<u32>, values: Box<dyn Array>, valid: Option<Bitmap>) -> PolarsResult<Box<dyn Array>> {
    let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(values.dtype().clone()), false);
    let keys = PrimitiveArray::new(ArrowDataType::UInt32, keys.into(), valid);
    Ok(DictionaryArray::try_new(dtype, keys, values)?.boxed())
}

fn utf8(bytes: Vec<u8>, ends: &[usize], valid: Option<Bitmap>) -> PolarsResult<Box<dyn Array>> {
    let offsets: Vec<i64> = std::iter::once(0).chain(ends.iter().map(|&end| end as i64)).collect();
    let offsets = OffsetsBuffer::try_from(offsets)?;
    Ok(Utf8Array::<i64>::try_new(ArrowDataType::LargeUtf8, offsets, bytes.into(), valid)?.boxed())
}
