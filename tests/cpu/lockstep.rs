//! Recordings replayed by generated code and by the interpreter in step: whole states are compared at random Moments, with
//! random limits of block length, TLB and heat.
//!
//! Environment: `REENACT_LOCKSTEP` (a recording; default: those of `traces/`), `REENACT_LOCKSTEP_STOPS` (default 200 for each
//! recording), `REENACT_LOCKSTEP_ROUND` (stops on one way through it, under one geometry; default 40), `REENACT_CPU_SEED`.

use reenact::machine::{Engine, Geometry};
use reenact::moment::Moment;
use reenact::recording::Reader;
use reenact::replay::player::Player;
use std::path::{Path, PathBuf};

/// What generated code is compared with.
const INTERPRETED: Geometry = Geometry { block: 48, tlb: 2048, engine: Engine::Interpreter, hot: 1 };

/// A generator of numbers that are random enough (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

fn recordings() -> Vec<PathBuf> {
    if let Ok(path) = std::env::var("REENACT_LOCKSTEP") {
        return vec![path.into()];
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let files = std::fs::read_dir(folder).expect("traces/ is there").map(|e| e.expect("it can be read").path());
    files.filter(|p| p.extension().is_some_and(|e| e == "reen")).collect()
}

#[test]
fn generated_code_and_interpreter_agree_at_random_moments() {
    let mut random = Random(number("REENACT_CPU_SEED", 1) | 1 << 40);
    let stops = number("REENACT_LOCKSTEP_STOPS", 200);
    let in_a_round = number("REENACT_LOCKSTEP_ROUND", 40).max(1);
    for path in recordings() {
        let reader = Reader::open(&path).expect("a recording");
        let last = reader.summary().expect("it can be read").last.0;
        for round in 0..stops.div_ceil(in_a_round) {
            let geometry = Geometry {
                block: 1 + random.below(48) as usize,
                tlb: 2 << random.below(11),
                engine: Engine::Jit,
                hot: 1 + random.below(15) as u32,
            };
            let mut moments: Vec<u64> = (0..in_a_round).map(|_| random.below(last)).collect();
            moments.sort_unstable();
            in_step(&reader, &path, geometry, &moments, round);
        }
    }
}

fn in_step(reader: &Reader, path: &Path, geometry: Geometry, moments: &[u64], round: u64) {
    let mut translated = Player::new(reader, geometry, false).expect("it can be replayed");
    let mut interpreted = Player::new(reader, INTERPRETED, false).expect("it can be replayed");
    for &at in moments {
        translated.seek(Moment(at)).expect("a Moment of the recording");
        interpreted.seek(Moment(at)).expect("a Moment of the recording");
        let (a, b) = (&translated.machine.cpu, &interpreted.machine.cpu);
        let place = format!("{} at {at}, round {round}, {geometry:?}", path.display());
        assert_eq!(
            (a.icount(), a.rip, a.rflags(), &a.regs[..16]),
            (b.icount(), b.rip, b.rflags(), &b.regs[..16]),
            "{place}"
        );
        assert_eq!(translated.machine.digest(), interpreted.machine.digest(), "{place}");
    }
}
