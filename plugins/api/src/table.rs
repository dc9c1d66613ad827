//! Tables: what they are called, what their columns mean, and the rows that fill them.

/// A table that an analysis makes. Its name is unique among all plugins.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The name in SQL and of its folder.
    pub name: &'static str,
    /// One sentence: what a row is.
    pub about: &'static str,
    /// The columns, at most 64. The first is the Moment of the row, of kind [`Kind::Moment`]; rows are stored in its order.
    pub columns: &'static [Column],
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// snake_case, with the unit where it has one: `duration_instructions`.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What it says, and when it is null.
    pub about: &'static str,
}

impl Column {
    /// A column.
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Column {
        Column { name, kind, about }
    }
}

/// What the values of a column are. All but the first column of a table may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instructions retired since power-on.
    Moment,
    /// An address: 64 bits, shown in hex to people.
    Address,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, signed.
    I64,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, signed.
    I32,
    /// 8 bits, unsigned.
    U8,
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// Text of which few different ones occur: names. Stored once each.
    Name,
}

/// A value of a row. Numbers are given as `U` or `I` whatever the width of the column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Unknown, or not applicable.
    Null,
    /// For `Moment`, `Address`, `U64`, `U32` and `U8`.
    U(u64),
    /// For `I64` and `I32`.
    I(i64),
    /// For `Bool`.
    Bool(bool),
    /// For `Text` and `Name`.
    Text(&'a str),
}

impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        Value::U(v)
    }
}
impl From<u32> for Value<'_> {
    fn from(v: u32) -> Self {
        Value::U(v.into())
    }
}
impl From<i64> for Value<'_> {
    fn from(v: i64) -> Self {
        Value::I(v)
    }
}
impl From<bool> for Value<'_> {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Value::Text(v)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// Where rows go.
pub trait Rows {
    /// Adds a row to table `table` (its place in [`crate::About::tables`]); as many values as it has columns, of their kinds.
    ///
    /// Rows may come in any order; they are stored in the order of their Moments, those of one Moment as they came.
    fn push(&mut self, table: usize, row: &[Value<'_>]);
}
