//! A few rows as they come, each value in 64 bits: what is cheap to add to, before columns take all of them at once.

use super::columns::{Column, Data};
use reenact_plugin::{Kind, Value};

/// Rows that are taken at once; they fit into the nearest caches.
pub const ROWS: usize = 128;

/// Rows that wait. A text of [`Kind::Text`] does not wait: it is in its column already.
#[derive(Clone)]
pub struct Stage {
    /// The greatest [`Value::U`] that each column takes; 0 where it takes none.
    most: Vec<u64>,
    /// The columns that take one, a bit each.
    unsigned: u64,
    values: Vec<u64>,
    /// The nulls of each row, a bit for each column.
    nulls: Vec<u64>,
}

impl Stage {
    /// For columns of these kinds, at most 64.
    pub fn new(kinds: impl ExactSizeIterator<Item = Kind>) -> Stage {
        assert!(kinds.len() <= 64, "a table has at most 64 columns");
        let most = |kind| match kind {
            Kind::Moment | Kind::Address | Kind::U64 => Some(u64::MAX),
            Kind::U32 => Some(u32::MAX.into()),
            Kind::U8 => Some(u8::MAX.into()),
            Kind::I64 | Kind::I32 | Kind::Bool | Kind::Text | Kind::Name => None,
        };
        let most: Vec<Option<u64>> = kinds.map(most).collect();
        let unsigned = most.iter().enumerate().map(|(at, most)| u64::from(most.is_some()) << at).sum();
        let values = Vec::with_capacity(ROWS * most.len());
        let most = most.into_iter().map(Option::unwrap_or_default).collect();
        Stage { most, unsigned, values, nulls: Vec::with_capacity(ROWS) }
    }

    /// How many rows wait.
    #[inline]
    pub fn rows(&self) -> usize {
        self.nulls.len()
    }

    /// Adds a row of the right length; false if a value does not fit, and nothing waits then that did not before.
    #[inline]
    pub fn push(&mut self, row: &[Value<'_>], columns: &mut [Column]) -> bool {
        let had = self.values.len();
        let mut nulls = 0;
        for (at, (&value, &most)) in row.iter().zip(&self.most).enumerate() {
            let bits = match value {
                Value::U(n) if n <= most && self.unsigned >> at & 1 != 0 => Some(n),
                value => {
                    nulls |= u64::from(matches!(value, Value::Null)) << at;
                    columns[at].data.wait_for(value)
                }
            };
            let Some(bits) = bits else {
                self.values.truncate(had);
                return false;
            };
            self.values.push(bits);
        }
        self.nulls.push(nulls);
        true
    }

    /// Gives all rows to the columns, which have `had` rows.
    pub fn settle(&mut self, columns: &mut [Column], had: usize) {
        let width = columns.len();
        for (at, column) in columns.iter_mut().enumerate() {
            let values = self.values.iter().skip(at).step_by(width).copied();
            match &mut column.data {
                Data::U64(v) => v.extend(values),
                Data::I64(v) => v.extend(values.map(|n| n as i64)),
                Data::U32(v) | Data::Name(v, _) => v.extend(values.map(|n| n as u32)),
                Data::I32(v) => v.extend(values.map(|n| n as i32)),
                Data::U8(v) => v.extend(values.map(|n| n as u8)),
                Data::Bool(v) => v.extend(values.map(|n| n != 0)),
                Data::Text(..) => {}
            }
            let is_null = |nulls: &u64| nulls >> at & 1 != 0;
            if column.valid.is_some() || self.nulls.iter().any(is_null) {
                let valid = column.valid.get_or_insert_with(|| vec![true; had]);
                valid.extend(self.nulls.iter().map(|nulls| !is_null(nulls)));
            }
        }
        self.clear();
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.values.clear();
        self.nulls.clear();
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
