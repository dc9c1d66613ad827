//! Columns as pages of Parquet: for each column the encoding that suits its values, chosen by looking at them.
//!
//! Moments, addresses that a loop goes through and other numbers at even distances are stored as differences; columns of which few
//! different values occur (addresses of code, names, sizes), as a dictionary; the rest as they are. All but differences are
//! compressed. A column of a row group is one data page: readers of several pages compare unsigned bounds as signed ones.

use super::columns::{Column, Columns, Data};
use super::names::{Names, mix};
use super::{delta, keys};
use polars::error::{PolarsError, PolarsResult, to_compute_err};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::compress;
use polars_parquet::parquet::page::{
    CompressedDataPage, CompressedDictPage, CompressedPage, DataPageHeader, DataPageHeaderV1,
};
use polars_parquet::parquet::schema::types::PrimitiveType;
use polars_parquet::parquet::statistics::{BinaryStatistics, BooleanStatistics, PrimitiveStatistics, Statistics};
use polars_parquet::parquet::types::NativeType;
use polars_parquet::write::{
    CompressionOptions, Descriptor, DynIter, DynStreamingIterator, Encoding, FallibleStreamingIterator, ParquetType,
    RowGroupIterColumns, StatisticsOptions, Version, WriteOptions, ZstdLevel,
};
use reenact_plugin::{Kind, Table};
use std::borrow::Cow;
use std::cell::RefCell;

/// Values that are looked at before the others.
const SAMPLE: usize = 1024;
/// Zstandard's level. -1 and -3 make the table of all writes of a boot 4 % and 28 % larger and are not faster by what can be told.
const LEVEL: i32 = 1;
/// Places that are tried for one value.
const TRIES: usize = 32;
/// Numbers whose differences take fewer bits than this are stored so at once.
const EVEN: usize = 2;
/// Numbers whose differences take fewer bits than this are stored so if they have no dictionary: Zstandard comes to about as many.
const UNEVEN: usize = 9;

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
        Packing::Zstd => CompressionOptions::Zstd(Some(ZstdLevel::try_new(LEVEL).expect("it is a level"))),
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
        encoded.push(Ok(pages(column, rows.rows(), type_.clone(), options)?));
    }
    Ok(DynIter::new(encoded.into_iter()))
}

type Pages = DynStreamingIterator<'static, polars_parquet::write::CompressedPage, PolarsError>;

fn pages(column: &Column, rows: usize, type_: ParquetType, options: WriteOptions) -> PolarsResult<Pages> {
    let ParquetType::PrimitiveType(type_) = type_ else { unreachable!("tables have flat columns") };
    let mut page = Vec::new();
    let nulls = column.valid.as_ref().map_or(0, |valid| valid.iter().filter(|is_valid| !**is_valid).count());
    if polars_parquet::parquet::schema::Repetition::Optional == type_.field_info.repetition {
        levels(&mut page, column.valid.as_deref(), rows);
    }
    let valid = column.valid.as_deref().filter(|_| nulls > 0);
    let made = Made { page, type_: type_.clone(), nulls };
    let body = match &column.data {
        Data::U64(v) => made.numbers(&dense(v, valid)),
        Data::I64(v) => made.numbers(&dense(v, valid)),
        Data::U32(v) => made.numbers(&dense(v, valid)),
        Data::I32(v) => made.numbers(&dense(v, valid)),
        Data::U8(v) => made.numbers(&dense(v, valid)),
        Data::Bool(v) => made.bools(&dense(v, valid)),
        Data::Name(numbers, names) => made.names(&dense(numbers, valid), names),
        Data::Text(bytes, ends) => made.texts(bytes, ends, valid),
    };
    let packing = match body.encoding {
        // There is nothing left that would pack.
        Encoding::DeltaBinaryPacked => CompressionOptions::Uncompressed,
        _ => options.compression,
    };
    let header = DataPageHeader::V1(DataPageHeaderV1 {
        num_values: rows as i32,
        encoding: body.encoding.into(),
        definition_level_encoding: Encoding::Rle.into(),
        repetition_level_encoding: Encoding::Rle.into(),
        statistics: Some(body.statistics.serialize()),
    });
    let descriptor = Descriptor { primitive_type: type_, max_def_level: 0, max_rep_level: 0 };
    let mut pages = Vec::with_capacity(2);
    if let Some((bytes, count)) = body.dictionary {
        let packed = CowBuffer::Owned(pack(&bytes, packing)?);
        pages.push(CompressedPage::Dict(CompressedDictPage::new(packed, packing.into(), bytes.len(), count, false)));
    }
    let packed = CowBuffer::Owned(pack(&body.page, packing)?);
    let data = CompressedDataPage::new(header, packed, packing.into(), body.page.len(), descriptor, rows);
    pages.push(CompressedPage::Data(data));
    Ok(DynStreamingIterator::new(Ready { pages: pages.into_iter(), now: None }))
}

/// Pages that are there.
struct Ready {
    pages: std::vec::IntoIter<CompressedPage>,
    now: Option<CompressedPage>,
}

impl FallibleStreamingIterator for Ready {
    type Item = CompressedPage;
    type Error = PolarsError;
    fn advance(&mut self) -> PolarsResult<()> {
        self.now = self.pages.next();
        Ok(())
    }
    fn get(&self) -> Option<&CompressedPage> {
        self.now.as_ref()
    }
}

thread_local! {
    // Making its tables anew takes as long as some pages.
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// The bytes of a page, compressed.
fn pack(page: &[u8], packing: CompressionOptions) -> PolarsResult<Vec<u8>> {
    let mut packed = Vec::new();
    match packing {
        CompressionOptions::Uncompressed => packed.extend_from_slice(page),
        CompressionOptions::Zstd(_) => {
            packed = PACKER.with_borrow_mut(|packer| -> std::io::Result<Vec<u8>> {
                let packer = match packer {
                    Some(packer) => packer,
                    None => packer.insert(zstd::bulk::Compressor::new(LEVEL)?),
                };
                packer.compress(page)
            })?;
        }
        other => compress(other, page, &mut packed).map_err(to_compute_err)?,
    }
    Ok(packed)
}

/// Which rows have a value: definition levels, behind their length in bytes.
fn levels(page: &mut Vec<u8>, valid: Option<&[bool]>, rows: usize) {
    page.extend_from_slice(&[0; 4]);
    match valid {
        Some(valid) => keys::encode(page, valid, 1, u32::from),
        None => keys::run(page, 1, rows, 1),
    }
    let len = page.len() as u32 - 4;
    page[..4].copy_from_slice(&len.to_le_bytes());
}

/// The values that are there.
fn dense<'v, T: Copy>(values: &'v [T], valid: Option<&[bool]>) -> Cow<'v, [T]> {
    match valid {
        Some(valid) => values.iter().zip(valid).filter(|(_, is_valid)| **is_valid).map(|(value, _)| *value).collect(),
        None => Cow::Borrowed(values),
    }
}

/// Numbers of a column, and as what Parquet stores them.
trait Number: Copy + Ord {
    type Stored: NativeType + delta::Stored;
    fn stored(self) -> Self::Stored;
    fn bits(self) -> u64;
    fn statistics(of: PrimitiveStatistics<Self::Stored>) -> Statistics;
}

macro_rules! number {
    ($($number:ty => $stored:ty, $statistics:ident;)*) => {$(
        impl Number for $number {
            type Stored = $stored;
            fn stored(self) -> $stored {
                self as $stored
            }
            fn bits(self) -> u64 {
                self as u64
            }
            fn statistics(of: PrimitiveStatistics<$stored>) -> Statistics {
                Statistics::$statistics(of)
            }
        }
    )*};
}
number! {
    u64 => i64, Int64;
    i64 => i64, Int64;
    u32 => i32, Int32;
    i32 => i32, Int32;
    u8 => i32, Int32;
}

/// A data page that has its levels.
struct Made {
    page: Vec<u8>,
    type_: PrimitiveType,
    nulls: usize,
}

/// A data page that has its values, too.
struct Body {
    page: Vec<u8>,
    encoding: Encoding,
    /// The bytes of a dictionary, and how many values it has.
    dictionary: Option<(Vec<u8>, usize)>,
    statistics: Statistics,
}

impl Made {
    fn numbers<T: Number>(mut self, values: &[T]) -> Body {
        let guess = delta::guess(values, T::stored);
        let is_sorted = values.len() > 1 && values.is_sorted();
        let is_even = is_sorted || guess < EVEN;
        let found = if is_even { None } else { numbered(values, T::bits) };
        let bounds = match &found {
            Some((_, found)) => bounds(found),
            None if is_sorted => values.first().copied().zip(values.last().copied()),
            None => bounds(values),
        };
        let statistics = T::statistics(PrimitiveStatistics {
            primitive_type: self.type_.clone(),
            null_count: Some(self.nulls as i64),
            distinct_count: None,
            min_value: bounds.map(|b| b.0.stored()),
            max_value: bounds.map(|b| b.1.stored()),
        });
        if let Some((keys, found)) = found {
            let mut dictionary = Vec::new();
            plain(&mut dictionary, &found);
            return self.keyed(&keys, (dictionary, found.len()), statistics);
        }
        let encoding = if is_even || guess < UNEVEN {
            delta::encode(&mut self.page, values, T::stored);
            Encoding::DeltaBinaryPacked
        } else {
            plain(&mut self.page, values);
            Encoding::Plain
        };
        Body { page: self.page, encoding, dictionary: None, statistics }
    }

    fn bools(mut self, values: &[bool]) -> Body {
        let bits = values.chunks(8).map(|c| c.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
        self.page.extend(bits);
        let statistics = Statistics::Boolean(BooleanStatistics {
            null_count: Some(self.nulls as i64),
            distinct_count: None,
            min_value: values.iter().copied().min(),
            max_value: values.iter().copied().max(),
        });
        Body { page: self.page, encoding: Encoding::Plain, dictionary: None, statistics }
    }

    fn names(self, numbers: &[u32], names: &Names) -> Body {
        let mut dictionary = Vec::new();
        let all = || (0..names.len() as u32).map(|number| names.get(number));
        all().for_each(|name| plain_text(&mut dictionary, name));
        // Where all are null, no number is that of a name.
        let statistics = self.text_statistics(all());
        self.keyed(numbers, (dictionary, names.len()), statistics)
    }

    fn texts(mut self, bytes: &[u8], ends: &[usize], valid: Option<&[bool]>) -> Body {
        let text = |row: usize| &bytes[if row == 0 { 0 } else { ends[row - 1] }..ends[row]];
        let texts = || (0..ends.len()).filter(|row| valid.is_none_or(|valid| valid[*row])).map(text);
        let mut names = Names::default();
        let mut numbers = Vec::with_capacity(ends.len());
        for text in texts() {
            if numbers.len() >= SAMPLE && names.len() > numbers.len() / 2 {
                texts().for_each(|text| plain_text(&mut self.page, text));
                let statistics = self.text_statistics(texts());
                return Body { page: self.page, encoding: Encoding::Plain, dictionary: None, statistics };
            }
            numbers.push(names.number(text));
        }
        self.names(&numbers, &names)
    }

    fn text_statistics<'t>(&self, texts: impl Iterator<Item = &'t [u8]> + Clone) -> Statistics {
        Statistics::Binary(BinaryStatistics {
            primitive_type: self.type_.clone(),
            null_count: Some(self.nulls as i64),
            distinct_count: None,
            min_value: texts.clone().min().map(<[u8]>::to_vec),
            max_value: texts.max().map(<[u8]>::to_vec),
        })
    }

    /// Places in a dictionary, behind how many bits they have.
    fn keyed(mut self, numbers: &[u32], dictionary: (Vec<u8>, usize), statistics: Statistics) -> Body {
        let width = keys::width(dictionary.1.saturating_sub(1) as u32);
        self.page.push(width as u8);
        keys::encode(&mut self.page, numbers, width, |number| number);
        Body { page: self.page, encoding: Encoding::RleDictionary, dictionary: Some(dictionary), statistics }
    }
}

/// The least and the greatest; in one go, because the hosts' vector instructions have no order of 64-bit numbers.
fn bounds<T: Number>(values: &[T]) -> Option<(T, T)> {
    let (&first, rest) = values.split_first()?;
    Some(rest.iter().fold((first, first), |(least, most), &value| (least.min(value), most.max(value))))
}

fn plain<T: Number>(page: &mut Vec<u8>, values: &[T]) {
    let width = size_of::<T::Stored>();
    let from = page.len();
    page.resize(from + values.len() * width, 0);
    for (bytes, value) in page[from..].chunks_exact_mut(width).zip(values) {
        bytes.copy_from_slice(value.stored().to_le_bytes().as_ref());
    }
}

fn plain_text(page: &mut Vec<u8>, text: &[u8]) {
    page.extend_from_slice(&(text.len() as u32).to_le_bytes());
    page.extend_from_slice(text);
}

/// The different values, and which of them stands where; none if they are too many to be worth it.
fn numbered<T: Copy + PartialEq>(values: &[T], bits: impl Fn(T) -> u64) -> Option<(Vec<u32>, Vec<T>)> {
    let most = (values.len() / 4).max(64);
    let mut places = vec![u32::MAX; 4096];
    let (mut keys, mut found): (Vec<u32>, Vec<T>) = (Vec::with_capacity(values.len()), Vec::new());
    for (at, &value) in values.iter().enumerate() {
        if at > 0 && values[at - 1] == value {
            keys.push(keys[at - 1]);
            continue;
        }
        if found.len() > most || found.len() > SAMPLE / 4 && found.len() * 4 > at.max(SAMPLE) {
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

fn replaced<T: Copy>(found: &[T], len: usize, bits: impl Fn(T) -> u64) -> Vec<u32> {
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
