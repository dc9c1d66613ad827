//! The kernel's symbol at an address, from the table `symbols`.

use polars::prelude::*;
use std::sync::OnceLock;

/// The symbols of a recording's kernel, read when they are first asked for.
pub struct Symbols {
    frame: Option<LazyFrame>,
    found: OnceLock<Result<Sorted, String>>,
}

/// Symbols by address.
pub struct Sorted(Vec<(u64, String)>);

/// How far behind a symbol's start an address may be and still be told by it: no function or object is larger.
const FAR: u64 = 16 << 20;

impl Symbols {
    /// Of the table's rows, if there is the table.
    pub fn new(frame: Option<LazyFrame>) -> Symbols {
        Symbols { frame, found: OnceLock::new() }
    }
    /// The symbols.
    ///
    /// # Errors
    /// There is no such table, or it cannot be read.
    pub fn get(&self) -> PolarsResult<&Sorted> {
        let found = self.found.get_or_init(|| self.read().map_err(|e| e.to_string()));
        found.as_ref().map_err(|e| polars_err!(ComputeError: "{e}"))
    }
    fn read(&self) -> PolarsResult<Sorted> {
        let Some(frame) = &self.frame else {
            polars_bail!(ComputeError: "symbols are told by the table symbols, which is not made: run reenact index")
        };
        let frame = frame.clone().select([col("address"), col("name")]).collect()?;
        let addresses = frame.column("address")?.as_materialized_series().u64()?.clone();
        let names = frame.column("name")?.as_materialized_series().str()?.clone();
        let pairs = addresses.iter().zip(names.iter());
        let mut all: Vec<(u64, String)> = pairs.filter_map(|(a, n)| Some((a?, n?.to_owned()))).collect();
        // Aliases keep their order: the first is told.
        all.sort_by_key(|(address, _)| *address);
        all.dedup_by_key(|(address, _)| *address);
        Ok(Sorted(all))
    }
}

impl Sorted {
    /// The symbol that an address belongs to, and how far behind its start it is.
    pub fn at(&self, address: u64) -> Option<String> {
        let (start, name) = &self.0[self.0.partition_point(|(start, _)| *start <= address).checked_sub(1)?];
        match address - start {
            0 => Some(name.clone()),
            distance if distance < FAR => Some(format!("{name}+{distance:#x}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_by_the_symbol_in_front_of_it() {
        let symbols = Sorted(vec![(0x1000, "a".to_owned()), (0x2000, "b".to_owned())]);
        let told: Vec<Option<String>> = [0xfff, 0x1000, 0x1abc, 0x2001, u64::MAX].map(|at| symbols.at(at)).into();
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(told, [None, text("a"), text("a+0xabc"), text("b+0x1"), None]);
    }
}
