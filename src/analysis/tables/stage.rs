//! A few rows as they come, each value in 64 bits: what is cheap to add to, before columns take all of them at once.

use super::columns::{Column, Data};
use reenact_plugin::{Kind, Value};

/// Rows that are taken at once; they fit into the nearest cache.
pub const ROWS: usize = 128;

/// Rows that wait, column by column. A text of [`Kind::Text`] does not wait: it is in its column already.
#[derive(Clone)]
pub struct Stage {
    /// The greatest [`Value::U`] that each column takes; 0 where it takes none.
    most: Vec<u64>,
    values: Vec<[u64; ROWS]>,
    /// The nulls of each row, a bit for each column.
    nulls: Vec<u64>,
    rows: usize,
}

impl Stage {
    /// For columns of these kinds, at most 64.
    pub fn new(kinds: impl ExactSizeIterator<Item = Kind>) -> Stage {
        assert!(kinds.len() <= 64, "a table has at most 64 columns");
        let most = |kind| match kind {
            Kind::Moment | Kind::Address | Kind::U64 => u64::MAX,
            Kind::U32 => u32::MAX.into(),
            Kind::U8 => u8::MAX.into(),
            Kind::I64 | Kind::I32 | Kind::Bool | Kind::Text | Kind::Name => 0,
        };
        let most: Vec<u64> = kinds.map(most).collect();
        Stage { values: vec![[0; ROWS]; most.len()], most, nulls: vec![0; ROWS], rows: 0 }
    }

    /// How many rows wait.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row of the right length, for which there is room; false if a value does not fit, and nothing waits then that did not
    /// before.
    #[inline]
    pub fn push(&mut self, row: &[Value<'_>], columns: &mut [Column]) -> bool {
        let at = self.rows % ROWS;
        let mut nulls = 0;
        let places = self.values.iter_mut().zip(&self.most).zip(columns);
        for (number, (&value, ((place, &most), column))) in row.iter().zip(places).enumerate() {
            place[at] = match value {
                Value::U(n) if n <= most && most != 0 => n,
                value => {
                    nulls |= u64::from(matches!(value, Value::Null)) << number;
                    match column.data.wait_for(value) {
                        Some(bits) => bits,
                        None => return false,
                    }
                }
            };
        }
        self.nulls[at] = nulls;
        self.rows += 1;
        true
    }

    /// Gives all rows to the columns, which have `had` rows.
    pub fn settle(&mut self, columns: &mut [Column], had: usize) {
        let nulls = &self.nulls[..self.rows];
        let any = nulls.iter().fold(0, |any, nulls| any | nulls);
        for (number, (column, values)) in columns.iter_mut().zip(&self.values).enumerate() {
            let values = &values[..self.rows];
            match &mut column.data {
                Data::U64(v) => v.extend_from_slice(values),
                Data::I64(v) => v.extend(values.iter().map(|&n| n as i64)),
                Data::U32(v) | Data::Name(v, _) => v.extend(values.iter().map(|&n| n as u32)),
                Data::I32(v) => v.extend(values.iter().map(|&n| n as i32)),
                Data::U8(v) => v.extend(values.iter().map(|&n| n as u8)),
                Data::Bool(v) => v.extend(values.iter().map(|&n| n != 0)),
                Data::Text(..) => {}
            }
            if column.valid.is_some() || any >> number & 1 != 0 {
                let valid = column.valid.get_or_insert_with(|| vec![true; had]);
                valid.extend(nulls.iter().map(|nulls| nulls >> number & 1 == 0));
            }
        }
        self.clear();
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.rows = 0;
    }
}

impl Data {
    /// The bits that stand for a value until it is settled, any for a null; a text goes where it belongs at once. None if it does not fit.
    #[inline]
    fn wait_for(&mut self, value: Value<'_>) -> Option<u64> {
        match (self, value) {
            (Data::Name(_, names), Value::Text(text)) => Some(names.number(text.as_bytes()).into()),
            (Data::Text(bytes, ends), Value::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                Some(0)
            }
            (Data::Text(bytes, ends), Value::Null) => {
                ends.push(bytes.len());
                Some(0)
            }
            (_, Value::Null) => Some(0),
            (Data::I64(_), Value::I(n)) => Some(n as u64),
            (Data::I32(_), Value::I(n)) if i32::try_from(n).is_ok() => Some(n as u64),
            (Data::Bool(_), Value::Bool(is_so)) => Some(is_so.into()),
            _ => None,
        }
    }
}
