//! Questions to the tables of a recording: SQL by polars, and pages of rows for who scrolls.
//!
//! Everything that polars understands as a SELECT, with hex numbers and the functions of [`FUNCTIONS`]. Results come in batches, so that
//! a large one does not fill memory.

mod clock;
mod error;
mod functions;
mod nearest;
pub mod output;
mod page;
mod sql;
mod symbols;

#[cfg(test)]
mod tests;

pub use error::{Error, Place};
pub use functions::{FUNCTIONS, iso};
pub use nearest::nearest;
pub use page::{Cell, Page};

use crate::analysis::tables::{self, Evidence, Manifest};
use crate::analysis::{builtin, registry};
use clock::Clock;
use functions::Functions;
use polars::prelude::{
    DataFrame, DataType, Engine, Field, IntoLazy, LazyFrame, PlRefPath, PlanCallback, ScanArgsParquet, Schema,
    SchemaRef,
};
use polars::sql::SQLContext;
use reenact_plugin::{About, Kind, Table};
use sql::Prepared;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use symbols::Symbols;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What it says.
    pub about: &'static str,
}

/// A table that is there.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// What a row is.
    pub about: &'static str,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// What it was made from, and its parts.
    pub manifest: Manifest,
    folder: PathBuf,
}

/// The tables of a recording.
pub struct Tables {
    tables: BTreeMap<String, TableInfo>,
    functions: Arc<Functions>,
}

/// What was asked for, not yet computed.
pub struct Answer {
    plan: LazyFrame,
    schema: SchemaRef,
    addresses: BTreeSet<String>,
    /// The tables that it is of.
    title: String,
    functions: Arc<Functions>,
    /// What the user should know of the tables that were used, a sentence each.
    pub notes: Vec<String>,
}

impl Tables {
    /// The tables that are there and fit the recording, by name. `started_ns` is its wall-clock start.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn open(of: &Evidence, started_ns: u64) -> Result<Tables, Error> {
        Tables::open_of(of, started_ns, registry::tables().chain(builtin::tables()))
    }
    /// The same for these tables of these plugins.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn open_of(
        of: &Evidence,
        started_ns: u64,
        known: impl IntoIterator<Item = (About, Table)>,
    ) -> Result<Tables, Error> {
        let folder = tables::folder(&of.recording);
        let mut found = BTreeMap::new();
        for (plugin, table) in known {
            let own = folder.join(table.name);
            if let Some(manifest) = Manifest::read(&own)?.filter(|m| m.provenance.is_of(of, &plugin, &table)) {
                found.insert(table.name.to_owned(), TableInfo::new(&table, manifest, own));
            }
        }
        Tables::with(found, started_ns)
    }
    /// As it will be when the default tables are made; those that are not yet have no rows here. For finding what is wrong with a
    /// question before anything is made for it.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn foresee(of: &Evidence) -> Result<Tables, Error> {
        let mut tables = Tables::open(of, 0)?.tables;
        for (plugin, table) in registry::tables().chain(builtin::tables()).filter(|(plugin, _)| plugin.is_default) {
            let empty = || TableInfo::new(&table, Manifest::empty(of, &plugin, &table), PathBuf::new());
            tables.entry(table.name.to_owned()).or_insert_with(empty);
        }
        Tables::with(tables, 0)
    }
    fn with(found: BTreeMap<String, TableInfo>, started_ns: u64) -> Result<Tables, Error> {
        let scan = |name: &str| found.get(name).map(|t: &TableInfo| t.scan(&t.manifest.parts)).transpose();
        let functions = Functions {
            symbols: Arc::new(Symbols::new(scan("symbols")?)),
            clock: Arc::new(Clock::new(scan("clock")?)),
            started_ns,
        };
        Ok(Tables { tables: found, functions: Arc::new(functions) })
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &TableInfo> {
        self.tables.values()
    }
    /// One of them.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn table(&self, name: &str) -> Result<&TableInfo, Error> {
        let known = self.tables.keys().map(String::as_str);
        self.tables.get(name).ok_or_else(|| sql::no_table(name, None, known))
    }

    /// Asks.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn sql(&self, sql: &str) -> Result<Answer, Error> {
        let prepared = Prepared::new(sql, &self.tables.keys().cloned().collect())?;
        let mut context = SQLContext::new().with_function_registry(self.functions.clone());
        for table in self.tables.values() {
            context.register(&table.name, table.scan(&table.manifest.parts)?);
        }
        let used: Vec<&TableInfo> = prepared.tables.iter().filter_map(|name| self.tables.get(name)).collect();
        let columns = used.iter().flat_map(|t| &t.columns).map(|c| c.name.clone()).collect();
        let addresses = addresses(&used);
        let notes = used.iter().filter_map(|t| t.note()).collect();
        let title = prepared.tables.iter().cloned().collect::<Vec<_>>().join(", ");
        let plan = prepared.plan(&mut context, &columns)?;
        self.answer(plan, addresses, title, notes)
    }

    fn answer(
        &self,
        mut plan: LazyFrame,
        addresses: BTreeSet<String>,
        title: String,
        notes: Vec<String>,
    ) -> Result<Answer, Error> {
        let schema = plan.collect_schema()?;
        Ok(Answer { plan, schema, addresses, title, functions: self.functions.clone(), notes })
    }
}

/// Columns that hold addresses in every table that has them.
fn addresses(tables: &[&TableInfo]) -> BTreeSet<String> {
    let of = |kind: bool| {
        let columns = tables.iter().flat_map(|t| &t.columns).filter(move |c| (c.kind == Kind::Address) == kind);
        columns.map(|c| c.name.clone()).collect::<BTreeSet<String>>()
    };
    &of(true) - &of(false)
}

impl TableInfo {
    fn new(table: &Table, manifest: Manifest, folder: PathBuf) -> TableInfo {
        let column = |c: &reenact_plugin::Column| ColumnInfo { name: c.name.to_owned(), kind: c.kind, about: c.about };
        let columns = table.columns.iter().map(column).collect();
        TableInfo { name: table.name.to_owned(), about: table.about, columns, manifest, folder }
    }
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.manifest.rows
    }
    /// What the user should know of it.
    fn note(&self) -> Option<String> {
        match (&self.manifest.absent, self.manifest.complete) {
            (Some(why), _) => Some(format!("table {} has no rows: {why}", self.name)),
            (None, false) => Some(format!("table {} does not reach the end: the recording is damaged", self.name)),
            _ => None,
        }
    }
    fn schema(&self) -> Schema {
        self.columns.iter().map(|c| Field::new(c.name.as_str().into(), dtype(c.kind))).collect()
    }
    /// Some of its parts.
    fn scan(&self, parts: &[tables::Part]) -> Result<LazyFrame, Error> {
        if parts.is_empty() {
            return Ok(DataFrame::empty_with_schema(&self.schema()).lazy());
        }
        let path = |part: &tables::Part| PlRefPath::try_from_pathbuf(self.folder.join(&part.file));
        let paths = parts.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let args = ScanArgsParquet { schema: Some(Arc::new(self.schema())), glob: false, ..ScanArgsParquet::default() };
        Ok(LazyFrame::scan_parquet_files(paths.into(), args)?)
    }
}

fn dtype(kind: Kind) -> DataType {
    match kind {
        Kind::Moment | Kind::Address | Kind::U64 => DataType::UInt64,
        Kind::I64 => DataType::Int64,
        Kind::U32 => DataType::UInt32,
        Kind::I32 => DataType::Int32,
        Kind::U8 => DataType::UInt8,
        Kind::Bool => DataType::Boolean,
        Kind::Text | Kind::Name => DataType::String,
    }
}

impl Answer {
    /// Names of the columns, in order.
    pub fn columns(&self) -> Vec<String> {
        self.schema.iter_names().map(|name| name.to_string()).collect()
    }
    /// True for a column that is shown in hex to people.
    pub fn is_address(&self, column: &str) -> bool {
        self.addresses.contains(column) && self.schema.get(column) == Some(&DataType::UInt64)
    }
    /// Computes it, and gives each batch of rows to `each`, in order. What is not taken yet waits; no more than a few batches are in
    /// memory.
    ///
    /// # Errors
    /// What polars cannot do, and the first error of `each`, which ends it.
    pub fn for_each(self, mut each: impl FnMut(DataFrame) -> Result<(), Error>) -> Result<(), Error> {
        let (send, batches) = sync_channel(1);
        // True once nobody takes any more.
        let pass_on = PlanCallback::new(move |batch: DataFrame| Ok(send.send(batch).is_err()));
        let plan = self.plan.sink_batches(pass_on, true, None)?;
        std::thread::scope(|scope| {
            let computing = scope.spawn(move || plan.collect_with_engine(Engine::Streaming).map(drop));
            let taken = batches.iter().try_for_each(&mut each);
            drop(batches);
            let computed = computing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            taken.and(computed.map_err(Error::from))
        })
    }
    /// Computes it as a whole.
    ///
    /// # Errors
    /// What polars cannot do.
    pub fn collect(self) -> Result<DataFrame, Error> {
        Ok(self.plan.collect_with_engine(Engine::Streaming)?.unwrap_single())
    }
}
