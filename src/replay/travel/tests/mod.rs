//! Time travel against what a straight run gives: the same states, and the same hits as a scan from the start.

mod oracle;
mod places;

use super::runner::{Runner, Stopped};
use super::*;
use crate::cpu::probe::{Hit, Wanted};
use std::path::Path;

/// The recordings of our own guests: how long, and what happens in them.
const TRACES: [&str; 4] = ["heap_overflow", "monitor", "timers", "usermode"];

fn reader(name: &str) -> Reader {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    Reader::open(path).expect("the recording is in the repository")
}

/// A traveller with as many snapshots as the recording has Digests.
fn travel(name: &str) -> Travel {
    let options = Options { workers: 2, slice_time: Duration::ZERO, keeps_index: false, ..Options::default() };
    let mut travel = Travel::open(reader(name), options).expect("it opens");
    assert!(travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it"));
    travel
}

/// A machine at power-on that knows nothing of snapshots.
fn straight(name: &str) -> Runner {
    let reader = reader(name);
    let script = Arc::new(Script::read(&reader).expect("it can be read"));
    let machine = crate::replay::player::power_on(&reader, script.wall_clock_ns(), Geometry::default());
    Runner::new(machine.expect("this build replays it"), script)
}

/// Everything that is hit in a whole recording, in order, by a run from the start.
fn all_hits(name: &str, wanted: &Wanted) -> Vec<Hit> {
    let mut runner = straight(name);
    let end = Script::read(&reader(name)).expect("it can be read").end;
    runner.machine.cpu.observe(wanted.clone());
    let mut hits = Vec::new();
    while runner.machine.now() < end {
        if let Stopped::Observed(more) = runner.run(end).expect("it replays") {
            hits.extend(more);
        }
    }
    hits
}

/// Numbers that look random and are the same each time (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
    /// Below `limit`, small numbers as likely as large ones by their length.
    fn any_size(&mut self, limit: u64) -> u64 {
        let bits = self.below(64 - u64::from(limit.leading_zeros()) + 1);
        self.below(limit.min(1 << bits))
    }
}
