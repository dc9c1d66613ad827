//! Verification: a whole replay with every comparison on, and where a difference is found, a search for the first
//! instruction that differs.

use super::Error;
use super::player::{Difference, Player, Step};
use crate::machine::Machine;
use crate::machine::digest::Hash;
use crate::machine::{Engine, Geometry};
use crate::moment::Moment;
use crate::recording::{self, Reader};

/// What a verification found.
pub struct Report {
    /// The last Moment that was proven equal.
    pub proven: Moment,
    /// The first difference, if there is one.
    pub difference: Option<Difference>,
    /// Where two ways of execution part, if they do: see `narrow`.
    pub culprit: Option<Culprit>,
    /// What stopped the reading, when the recording is damaged or was cut off.
    pub damage: Option<recording::Error>,
}

/// The first instruction that two engines execute differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Instructions retired before it.
    pub at: Moment,
    /// Its address.
    pub rip: u64,
    /// Its bytes, as far as they can be read.
    pub bytes: Vec<u8>,
}

/// Runs everything again and compares. `progress` is told how far it has come.
pub fn verify(reader: &Reader, geometry: Geometry, progress: &mut dyn FnMut(Moment)) -> Result<Report, Error> {
    let mut player = Player::new(reader, geometry, true)?;
    loop {
        progress(player.machine.now());
        player.console.clear();
        match player.step(Moment(u64::MAX))? {
            Step::On => {}
            Step::Done => {
                return Ok(Report { proven: player.proven, difference: None, culprit: None, damage: player.damage });
            }
            Step::Different(difference) => {
                let proven = player.proven;
                drop(player);
                let culprit = narrow(reader, geometry, proven)?;
                return Ok(Report { proven, difference: Some(difference), culprit, damage: None });
            }
        }
    }
}

/// The most careful way to execute: one instruction a block, the smallest TLB.
pub const CAREFUL: Geometry = Geometry { block: 1, tlb: 2, engine: Engine::Interpreter, hot: 1 };
/// Instructions between two comparisons of whole states.
const STRIDE: u64 = 1 << 16;
/// How far behind the last proven Moment the search goes.
const REACH: u64 = 1 << 26;

/// Looks for the first instruction that `geometry` and [`CAREFUL`] execute differently after `proven`. `None` if they
/// agree with each other: then the recording was made by something that behaves otherwise, and no replay can tell where.
fn narrow(reader: &Reader, geometry: Geometry, proven: Moment) -> Result<Option<Culprit>, Error> {
    let mut stop = None;
    let mut pair = Pair::new(reader, geometry)?;
    pair.seek(proven)?;
    let mut at = proven.0;
    while at < proven.0 + REACH {
        let ended = pair.seek(Moment(at + STRIDE))?;
        if !pair.is_equal() {
            stop = Some(at);
            break;
        }
        if ended {
            return Ok(None);
        }
        at += STRIDE;
    }
    let Some(from) = stop else { return Ok(None) };
    drop(pair);
    let mut pair = Pair::new(reader, geometry)?;
    pair.seek(Moment(from))?;
    for at in from..from + STRIDE {
        let rip = pair.fast.machine.cpu.rip;
        let bytes = pair.fast.machine.code_bytes();
        pair.seek(Moment(at + 1))?;
        if !pair.is_equal() {
            return Ok(Some(Culprit { at: Moment(at), rip, bytes }));
        }
    }
    Ok(None)
}

/// One recording replayed in two ways at once.
struct Pair {
    fast: Player,
    careful: Player,
}

impl Pair {
    fn new(reader: &Reader, geometry: Geometry) -> Result<Pair, Error> {
        Ok(Pair { fast: Player::new(reader, geometry, false)?, careful: Player::new(reader, CAREFUL, false)? })
    }
    /// Takes both to `to`; true if the recording ended before.
    fn seek(&mut self, to: Moment) -> Result<bool, Error> {
        let fast = self.fast.seek(to)?;
        let careful = self.careful.seek(to)?;
        Ok(fast || careful)
    }
    fn is_equal(&mut self) -> bool {
        digest(&mut self.fast.machine) == digest(&mut self.careful.machine)
    }
}

fn digest(machine: &mut Machine) -> Hash {
    machine.digest()
}
