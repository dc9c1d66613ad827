//! The differential run: case after case on the host and on an engine, failures shrunk and counted by instruction.
//!
//! Environment: `REENACT_CPU_CASES`, `REENACT_CPU_SEED`, `REENACT_CPU_CASE` (one printed line, run alone),
//! `REENACT_CPU_SKIP` (comma-separated mnemonics or CPUID features in iced's spelling; cases with one are left out).

use std::collections::BTreeMap;

use super::case::Case;
use super::compare::{compare, instructions};
use super::engine::Engine;
use super::generate::Generator;
use super::line;
use super::masks::Masks;
use super::shrink::shrink;

const DEFAULT_CASES: u64 = 200_000;
const DEFAULT_SEED: u64 = 1;
/// Failing cases that are shrunk and shown for each kind of instruction.
const SHOWN_PER_KIND: u64 = 2;

/// What to run.
pub struct Plan {
    pub seed: u64,
    pub cases: u64,
    /// A single case to run instead of generated ones.
    pub only: Option<Case>,
    /// Mnemonics and features, in lower case, whose cases are left out.
    pub skip: Vec<String>,
}

impl Plan {
    /// The plan that the environment asks for.
    ///
    /// # Panics
    /// When a variable is set to something unreadable: the run would not be the one that was asked for.
    pub fn from_environment() -> Self {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; give a decimal number")),
            Err(_) => default,
        };
        let only = std::env::var("REENACT_CPU_CASE").ok().map(|text| {
            line::parse(&text)
                .unwrap_or_else(|| panic!("REENACT_CPU_CASE is not a case line; paste one that a run printed"))
        });
        let skip = std::env::var("REENACT_CPU_SKIP").unwrap_or_default();
        Plan {
            skip: skip.split(',').filter(|name| !name.is_empty()).map(str::to_lowercase).collect(),
            seed: number("REENACT_CPU_SEED", DEFAULT_SEED),
            cases: number("REENACT_CPU_CASES", DEFAULT_CASES),
            only,
        }
    }

    fn skips(&self, case: &Case) -> bool {
        let is_listed = |name: String| self.skip.contains(&name.to_lowercase());
        !self.skip.is_empty()
            && instructions(case).iter().any(|one| {
                let mut features = one.cpuid_features().iter();
                is_listed(format!("{:?}", one.mnemonic())) || features.any(|feature| is_listed(format!("{feature:?}")))
            })
    }
}

/// Failures by mnemonic of the first instruction, and the text of the shown ones.
#[derive(Default)]
pub struct Report {
    pub run: u64,
    pub failures: BTreeMap<String, u64>,
    pub shown: Vec<String>,
}

impl Report {
    /// Panics with all that was found, if anything was.
    pub fn assert_equal(&self) {
        if !self.failures.is_empty() {
            let counts: Vec<String> = self.failures.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
            panic!(
                "{} of {} cases differ: {}\n\n{}",
                self.failures.values().sum::<u64>(),
                self.run,
                counts.join(", "),
                self.shown.join("\n\n")
            );
        }
    }
}

/// Runs the plan on both.
pub fn differential(plan: &Plan, native: &mut dyn Engine, engine: &mut dyn Engine, masks: &Masks) -> Report {
    let mut report = Report::default();
    if let Some(case) = &plan.only {
        judge(case, native, engine, masks, &mut report);
        return report;
    }
    let mut generator = Generator::new(plan.seed, masks);
    for number in 0..plan.cases {
        let case = generator.case(number);
        if !plan.skips(&case) {
            judge(&case, native, engine, masks, &mut report);
        }
    }
    report
}

fn judge(case: &Case, native: &mut dyn Engine, engine: &mut dyn Engine, masks: &Masks, report: &mut Report) {
    report.run += 1;
    if compare(case, &native.run(case), &engine.run(case), masks).is_none() {
        return;
    }
    let small = shrink(case, native, engine, masks);
    let kind = line::kind(&small);
    let count = report.failures.entry(kind).or_default();
    *count += 1;
    if *count <= SHOWN_PER_KIND
        && let Some(difference) = compare(&small, &native.run(&small), &engine.run(&small), masks)
    {
        let assembly = line::disassembly(&small);
        report.shown.push(format!("{assembly}\n{difference}\n  {}", line::format(&small)));
    }
}
