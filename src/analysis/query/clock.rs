//! Guest time at a Moment, from the table `clock`: a nanosecond an instruction, and the time that the CPU was halted.

use polars::prelude::*;
use std::sync::OnceLock;

/// The halts of a recording, read when they are first asked for.
pub struct Clock {
    frame: Option<LazyFrame>,
    halts: OnceLock<Result<Halts, String>>,
}

/// Where time went on without instructions.
pub struct Halts {
    moments: Vec<u64>,
    /// Guest time behind each.
    until_ns: Vec<u64>,
}

impl Clock {
    /// Of the table's rows, if there is the table.
    pub fn new(frame: Option<LazyFrame>) -> Clock {
        Clock { frame, halts: OnceLock::new() }
    }
    /// The halts.
    ///
    /// # Errors
    /// There is no such table, or it cannot be read.
    pub fn get(&self) -> PolarsResult<&Halts> {
        let halts = self.halts.get_or_init(|| self.read().map_err(|e| e.to_string()));
        halts.as_ref().map_err(|e| polars_err!(ComputeError: "{e}"))
    }
    fn read(&self) -> PolarsResult<Halts> {
        let Some(frame) = &self.frame else {
            polars_bail!(ComputeError: "guest time is told by the table clock, which is not made: run plugin clock")
        };
        let frame = frame.clone().select([col("moment"), col("until_ns")]).collect()?;
        let numbers = |name: &str| -> PolarsResult<Vec<u64>> {
            Ok(frame.column(name)?.as_materialized_series().u64()?.iter().map(Option::unwrap_or_default).collect())
        };
        Ok(Halts { moments: numbers("moment")?, until_ns: numbers("until_ns")? })
    }
}

impl Halts {
    /// Nanoseconds since power-on at a Moment, behind a halt there.
    pub fn at(&self, moment: u64) -> u64 {
        match self.moments.partition_point(|&m| m <= moment) {
            0 => moment,
            n => self.until_ns[n - 1].saturating_add(moment - self.moments[n - 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_advances_with_instructions_and_jumps_at_halts() {
        let halts = Halts { moments: vec![10, 10, 50], until_ns: vec![100, 200, 1000] };
        let times: Vec<u64> = [0, 9, 10, 11, 49, 50, 60].iter().map(|&m| halts.at(m)).collect();
        assert_eq!(times, [0, 9, 200, 201, 239, 1000, 1010]);
    }
}
