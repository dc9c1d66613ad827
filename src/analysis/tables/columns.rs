//! Rows in memory, a vector for each column: what waits to be written.

use super::names::Names;
use super::stage::{self, Stage};
use reenact_plugin::{Kind, Table, Value};

/// Rows of a table. What was pushed has to be settled before it is looked at.
#[derive(Clone)]
pub struct Columns {
    table: Table,
    columns: Vec<Column>,
    /// Rows that are settled.
    rows: usize,
    stage: Stage,
}

/// A column's values.
#[derive(Clone)]
pub struct Column {
    /// The values; nulls have some value, too.
    pub data: Data,
    /// Which of them are values and not nulls; none as long as all are.
    pub valid: Option<Vec<bool>>,
}

/// Values of one kind.
#[derive(Clone)]
pub enum Data {
    U64(Vec<u64>),
    I64(Vec<i64>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
    /// Bytes one behind the other, and where each text ends.
    Text(Vec<u8>, Vec<usize>),
    /// Numbers of names.
    Name(Vec<u32>, Names),
}

/// A row that a table cannot hold, and why: a plugin's mistake.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    #[error("a row of {found} values for the {columns} columns of table {table:?}")]
    Length { table: &'static str, found: usize, columns: usize },
    #[error("table {table:?}: {value} is no value for column {column:?}, which is {kind:?}")]
    Value { table: &'static str, column: &'static str, kind: Kind, value: String },
}

impl Columns {
    /// None yet.
    pub fn new(table: Table) -> Columns {
        let columns = table.columns.iter().map(|c| Column { data: Data::new(c.kind), valid: None }).collect();
        Columns { table, columns, rows: 0, stage: Stage::new(table.columns.iter().map(|c| c.kind)) }
    }
    /// The table that they are of.
    pub fn table(&self) -> &Table {
        &self.table
    }
    /// How many.
    pub fn rows(&self) -> usize {
        self.rows + self.stage.rows()
    }
    /// Puts what was pushed into the columns.
    pub fn settle(&mut self) {
        let waiting = self.stage.rows();
        self.stage.settle(&mut self.columns, self.rows);
        self.rows += waiting;
    }
    /// Makes room for so many rows in all; texts aside.
    pub fn expect(&mut self, rows: usize) {
        for column in &mut self.columns {
            let more = rows.saturating_sub(self.rows);
            match &mut column.data {
                Data::U64(v) => v.reserve(more),
                Data::I64(v) => v.reserve(more),
                Data::U32(v) | Data::Name(v, _) => v.reserve(more),
                Data::I32(v) => v.reserve(more),
                Data::U8(v) => v.reserve(more),
                Data::Bool(v) => v.reserve(more),
                Data::Text(_, ends) => ends.reserve(more),
            }
            if let Some(valid) = &mut column.valid {
                valid.reserve(more);
            }
        }
    }
    /// Each column's values.
    pub fn columns(&self) -> &[Column] {
        debug_assert_eq!(self.stage.rows(), 0);
        &self.columns
    }
    /// The Moment of each row.
    pub fn moments(&self) -> &[u64] {
        debug_assert_eq!(self.stage.rows(), 0);
        match self.columns.first().map(|c| &c.data) {
            Some(Data::U64(moments)) => moments,
            _ => &[],
        }
    }
    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        self.columns.iter().map(|c| c.data.memory() + c.valid.as_ref().map_or(0, Vec::len)).sum()
    }
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.stage.clear();
        for column in &mut self.columns {
            column.valid = None;
            column.data.clear();
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It is no row of this table; nothing was added then.
    #[inline]
    pub fn push(&mut self, row: &[Value<'_>]) -> Result<(), Misfit> {
        if row.len() != self.columns.len() || !matches!(row.first(), Some(Value::U(_))) {
            return Err(self.refuse(row));
        }
        if !self.stage.push(row, &mut self.columns) {
            let rows = self.rows();
            self.columns.iter_mut().for_each(|column| column.forget_text_behind(rows));
            return Err(self.refuse(row));
        }
        if self.stage.rows() == stage::ROWS {
            self.settle();
        }
        Ok(())
    }

    #[cold]
    fn refuse(&self, row: &[Value<'_>]) -> Misfit {
        let table = self.table.name;
        if row.len() != self.columns.len() {
            return Misfit::Length { table, found: row.len(), columns: self.columns.len() };
        }
        let fits = |at: usize, value: &Value<'_>| {
            let kind = self.table.columns[at].kind;
            let mut column = [Column { data: Data::new(kind), valid: None }];
            (at > 0 || *value != Value::Null) && Stage::new([kind].into_iter()).push(&[*value], &mut column)
        };
        let at = row.iter().enumerate().position(|(at, value)| !fits(at, value)).unwrap_or(0);
        let column = self.table.columns[at];
        Misfit::Value { table, column: column.name, kind: column.kind, value: format!("{:?}", row[at]) }
    }

    /// Adds rows of another one, by their numbers.
    pub fn append(&mut self, from: &Columns, rows: impl ExactSizeIterator<Item = usize> + Clone) {
        debug_assert_eq!(from.stage.rows(), 0);
        self.settle();
        for (to, from) in self.columns.iter_mut().zip(&from.columns) {
            to.append(from, rows.clone(), self.rows);
        }
        self.rows += rows.len();
    }

    /// The numbers of the rows in the order of their Moments, those of one Moment as they came; none if they are so already.
    pub fn order(&mut self) -> Option<Vec<usize>> {
        self.settle();
        let moments = self.moments();
        if moments.is_sorted() {
            return None;
        }
        let mut order: Vec<usize> = (0..self.rows).collect();
        order.sort_by_key(|&row| moments[row]);
        Some(order)
    }
    /// In the order of their Moments, those of one Moment as they came.
    pub fn sorted(mut self) -> Columns {
        match self.order() {
            None => self,
            Some(order) => self.taken(&order),
        }
    }
    /// Some of the rows.
    pub fn taken(&self, rows: &[usize]) -> Columns {
        let mut taken = Columns::new(self.table);
        taken.append(self, rows.iter().copied());
        taken
    }
}

impl Column {
    /// The value of a row.
    #[cfg(test)]
    pub fn value(&self, row: usize) -> Value<'_> {
        if self.valid.as_ref().is_some_and(|valid| !valid[row]) {
            return Value::Null;
        }
        match &self.data {
            Data::U64(v) => Value::U(v[row]),
            Data::U32(v) => Value::U(v[row].into()),
            Data::U8(v) => Value::U(v[row].into()),
            Data::I64(v) => Value::I(v[row]),
            Data::I32(v) => Value::I(v[row].into()),
            Data::Bool(v) => Value::Bool(v[row]),
            Data::Text(bytes, ends) => text(&bytes[if row == 0 { 0 } else { ends[row - 1] }..ends[row]]),
            Data::Name(numbers, names) => text(names.get(numbers[row])),
        }
    }

    /// The texts of a row that was refused halfway.
    fn forget_text_behind(&mut self, rows: usize) {
        if let Data::Text(bytes, ends) = &mut self.data {
            ends.truncate(rows);
            bytes.truncate(ends.last().copied().unwrap_or(0));
        }
    }

    fn append(&mut self, from: &Column, rows: impl ExactSizeIterator<Item = usize> + Clone, had: usize) {
        if from.valid.is_some() || self.valid.is_some() {
            let valid = self.valid.get_or_insert_with(|| vec![true; had]);
            valid.extend(rows.clone().map(|row| from.valid.as_ref().is_none_or(|v| v[row])));
        }
        match (&mut self.data, &from.data) {
            (Data::U64(to), Data::U64(from)) => to.extend(rows.map(|row| from[row])),
            (Data::I64(to), Data::I64(from)) => to.extend(rows.map(|row| from[row])),
            (Data::U32(to), Data::U32(from)) => to.extend(rows.map(|row| from[row])),
            (Data::I32(to), Data::I32(from)) => to.extend(rows.map(|row| from[row])),
            (Data::U8(to), Data::U8(from)) => to.extend(rows.map(|row| from[row])),
            (Data::Bool(to), Data::Bool(from)) => to.extend(rows.map(|row| from[row])),
            (Data::Text(bytes, ends), Data::Text(from, from_ends)) => {
                for row in rows {
                    bytes.extend_from_slice(&from[if row == 0 { 0 } else { from_ends[row - 1] }..from_ends[row]]);
                    ends.push(bytes.len());
                }
            }
            (Data::Name(to, names), Data::Name(from, from_names)) => {
                let mut known: Vec<Option<u32>> = vec![None; from_names.len()];
                to.extend(rows.map(|row| {
                    let number = from[row];
                    // A null has number 0, which may stand for no name.
                    match known.get_mut(number as usize) {
                        Some(known) => *known.get_or_insert_with(|| names.number(from_names.get(number))),
                        None => 0,
                    }
                }));
            }
            _ => unreachable!("rows of one table have columns of the same kinds"),
        }
    }
}

/// What came in as text is text.
#[cfg(test)]
fn text(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Null, Value::Text)
}

impl Data {
    fn new(kind: Kind) -> Data {
        match kind {
            Kind::Moment | Kind::Address | Kind::U64 => Data::U64(Vec::new()),
            Kind::I64 => Data::I64(Vec::new()),
            Kind::U32 => Data::U32(Vec::new()),
            Kind::I32 => Data::I32(Vec::new()),
            Kind::U8 => Data::U8(Vec::new()),
            Kind::Bool => Data::Bool(Vec::new()),
            Kind::Text => Data::Text(Vec::new(), Vec::new()),
            Kind::Name => Data::Name(Vec::new(), Names::default()),
        }
    }
    fn clear(&mut self) {
        match self {
            Data::U64(v) => v.clear(),
            Data::I64(v) => v.clear(),
            Data::U32(v) => v.clear(),
            Data::I32(v) => v.clear(),
            Data::U8(v) => v.clear(),
            Data::Bool(v) => v.clear(),
            Data::Text(bytes, ends) => {
                bytes.clear();
                ends.clear();
            }
            Data::Name(numbers, names) => {
                numbers.clear();
                names.clear();
            }
        }
    }
    fn memory(&self) -> usize {
        match self {
            Data::U64(v) => 8 * v.len(),
            Data::I64(v) => 8 * v.len(),
            Data::U32(v) => 4 * v.len(),
            Data::I32(v) => 4 * v.len(),
            Data::U8(v) => v.len(),
            Data::Bool(v) => v.len(),
            Data::Text(bytes, ends) => bytes.len() + 8 * ends.len(),
            Data::Name(numbers, names) => 4 * numbers.len() + names.memory(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::Column as Declared;

    const TABLE: Table = Table {
        name: "things",
        about: "",
        columns: &[
            Declared::new("moment", Kind::Moment, ""),
            Declared::new("small", Kind::U8, ""),
            Declared::new("path", Kind::Text, ""),
            Declared::new("comm", Kind::Name, ""),
        ],
    };

    fn row<'a>(moment: u64, text: &'a str) -> [Value<'a>; 4] {
        [Value::U(moment), Value::U(moment % 200), Value::Text(text), Value::Text(text)]
    }

    fn rows(columns: &Columns) -> Vec<Vec<Value<'_>>> {
        (0..columns.rows()).map(|row| columns.columns().iter().map(|c| c.value(row)).collect()).collect()
    }

    #[test]
    fn sorting_keeps_rows_together_and_those_of_one_moment_in_their_order() {
        let mut columns = Columns::new(TABLE);
        let given = [(5, "a"), (3, "b"), (5, "c"), (3, "d"), (1, "a")];
        given.iter().for_each(|(m, t)| columns.push(&row(*m, t)).unwrap());
        columns.push(&[Value::U(4), Value::Null, Value::Null, Value::Null]).unwrap();
        let sorted = columns.sorted();
        let mut expected: Vec<Vec<Value<'_>>> = given.iter().map(|(m, t)| row(*m, t).to_vec()).collect();
        expected.push(vec![Value::U(4), Value::Null, Value::Null, Value::Null]);
        expected.sort_by_key(|row| if let Value::U(m) = row[0] { m } else { 0 });
        assert_eq!(rows(&sorted), expected);
    }

    #[test]
    fn what_does_not_fit_is_named_and_leaves_no_half_row() {
        let mut columns = Columns::new(TABLE);
        columns.push(&row(1, "x")).unwrap();
        let wide = [Value::U(2), Value::U(256), Value::Text(""), Value::Text("")];
        let said = columns.push(&wide).unwrap_err().to_string();
        assert_eq!(said, "table \"things\": U(256) is no value for column \"small\", which is U8");
        assert!(columns.push(&[Value::Null; 4]).unwrap_err().to_string().contains("\"moment\""));
        assert!(columns.push(&[Value::U(1)]).unwrap_err().to_string().contains("1 values for the 4 columns"));
        columns.push(&row(2, "y")).unwrap();
        columns.settle();
        assert_eq!(rows(&columns), vec![row(1, "x").to_vec(), row(2, "y").to_vec()]);
    }
}
