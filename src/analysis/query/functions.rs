//! The functions that SQL has for recordings: `hex`, `symbol`, `guest_time`, `wall_time`.

use super::clock::Clock;
use super::symbols::Symbols;
use polars::prelude::*;
use polars::sql::{FunctionOptions, FunctionRegistry};
use std::sync::Arc;

/// Their names and what they say, for the page and for error messages.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("hex", "a number as text in hex: `0xffffffff81000000`"),
    (
        "symbol",
        "the kernel's symbol at an address, with the distance from its start: `do_syscall_64+0x2c`; null where there is none",
    ),
    ("guest_time", "nanoseconds since power-on at a Moment"),
    ("wall_time", "date and time at a Moment as ISO 8601 text in UTC: the recording's start and the guest time since"),
];

/// What the functions know of a recording.
pub struct Functions {
    /// Kernel symbols, read when they are first asked for.
    pub symbols: Arc<Symbols>,
    /// Guest time, read when it is first asked for.
    pub clock: Arc<Clock>,
    /// When the recording began, in nanoseconds since 1970.
    pub started_ns: u64,
}

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(ComputeError: "function {name} cannot be added")
    }
    fn contains(&self, name: &str) -> bool {
        FUNCTIONS.iter().any(|(known, _)| *known == name)
    }
    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        let (symbols, clock, started) = (self.symbols.clone(), self.clock.clone(), self.started_ns);
        Ok(match name {
            "hex" => Some(text_function("hex", |n| Ok(Some(format!("{n:#x}"))))),
            "symbol" => Some(text_function("symbol", move |address| Ok(symbols.get()?.at(address)))),
            "guest_time" => Some(number_function("guest_time", move |moment| Ok(clock.get()?.at(moment)))),
            "wall_time" => Some(text_function("wall_time", move |moment| {
                Ok(Some(iso(started.saturating_add(clock.get()?.at(moment)))))
            })),
            _ => None,
        })
    }
}

/// Nanoseconds since 1970 as ISO 8601 with all nine places.
pub fn iso(ns: u64) -> String {
    let whole = crate::text::utc(ns);
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), ns % 1_000_000_000)
}

fn text_function(
    name: &'static str,
    say: impl Fn(u64) -> PolarsResult<Option<String>> + Send + Sync + 'static,
) -> UserDefinedFunction {
    let call = move |columns: &mut [Column]| {
        let (numbers, own) = argument(name, columns)?;
        let mut said = StringChunkedBuilder::new(own, numbers.len());
        for number in numbers.iter() {
            said.append_option(number.map(&say).transpose()?.flatten());
        }
        Ok(said.finish().into_column())
    };
    function(name, DataType::String, call)
}

fn number_function(
    name: &'static str,
    tell: impl Fn(u64) -> PolarsResult<u64> + Send + Sync + 'static,
) -> UserDefinedFunction {
    let call = move |columns: &mut [Column]| {
        let (numbers, own) = argument(name, columns)?;
        let told: PolarsResult<Vec<Option<u64>>> = numbers.iter().map(|n| n.map(&tell).transpose()).collect();
        Ok(UInt64Chunked::new(own, told?).into_column())
    };
    function(name, DataType::UInt64, call)
}

fn function(
    name: &'static str,
    gives: DataType,
    call: impl Fn(&mut [Column]) -> PolarsResult<Column> + Send + Sync + 'static,
) -> UserDefinedFunction {
    let field = move |_: &Schema, inputs: &[Field]| {
        let own = inputs.first().map_or_else(|| name.into(), |f| f.name().clone());
        Ok(Field::new(own, gives.clone()))
    };
    let mut function = UserDefinedFunction::new(name.into(), BaseColumnUdf::new(call, field));
    function.options = FunctionOptions::elementwise();
    function
}

/// The one argument as unsigned numbers; signed ones keep their bits.
fn argument(name: &str, columns: &[Column]) -> PolarsResult<(UInt64Chunked, PlSmallStr)> {
    let [column] = columns else { polars_bail!(SQLSyntax: "{name} takes one number, not {} arguments", columns.len()) };
    let own = column.name().clone();
    let series = column.as_materialized_series();
    let numbers = match series.dtype() {
        DataType::UInt64 => series.u64()?.clone(),
        dtype if dtype.is_unsigned_integer() => series.cast(&DataType::UInt64)?.u64()?.clone(),
        dtype if dtype.is_integer() => {
            let signed = series.cast(&DataType::Int64)?;
            signed.i64()?.iter().map(|n| n.map(|n| n as u64)).collect::<UInt64Chunked>().with_name(own.clone())
        }
        DataType::Null => UInt64Chunked::full_null(own.clone(), series.len()),
        other => polars_bail!(SQLSyntax: "{name} takes a number, not {other}"),
    };
    Ok((numbers, own))
}
