//! A machine that is driven through a recording's Inputs and stops where it is told, also between the deliveries of
//! one Moment.

use super::Position;
use super::script::Script;
use crate::cpu::probe::{Hit, Wanted, What};
use crate::cpu::tap::Tap;
use crate::machine::{Exit, Machine, MachineState};
use crate::moment::Moment;
use crate::recording::InputData;
use crate::replay::{Error, deliver};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A machine's state at a Moment, without RAM.
#[derive(Clone, Serialize, Deserialize)]
pub struct Rest {
    /// CPU and board.
    pub machine: MachineState,
    /// A repeated string instruction is between two iterations, which no register says.
    pub is_repeating: bool,
}

impl Rest {
    /// Where it stands.
    pub fn at(&self) -> Moment {
        Moment(self.machine.icount)
    }
}

/// Why a run stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The place asked for is reached.
    There,
    /// What is observed happened: in the order in which it did.
    Observed(Vec<Hit>),
}

/// A machine with the Inputs ahead of it.
pub struct Runner {
    /// Look, and load pages; do not run it.
    pub machine: Machine,
    script: Arc<Script>,
    next: usize,
}

impl Runner {
    /// A runner at power-on.
    pub fn new(machine: Machine, script: Arc<Script>) -> Runner {
        Runner { machine, script, next: 0 }
    }
    /// Where it stands.
    pub fn position(&self) -> Position {
        let (moment, deliveries) = self.machine.cpu.at();
        Position { moment: Moment(moment), deliveries }
    }
    /// Runs to a Moment ahead, or until something observed happens.
    pub fn run(&mut self, to: Moment) -> Result<Stopped, Error> {
        self.run_with(to, None)
    }
    /// As [`Runner::run`], and `tap` is shown what `Cpu::tap` asked for.
    pub fn run_tapped(&mut self, to: Moment, tap: &mut dyn Tap) -> Result<Stopped, Error> {
        self.run_with(to, Some(tap))
    }
    fn run_with(&mut self, to: Moment, mut tap: Option<&mut dyn Tap>) -> Result<Stopped, Error> {
        loop {
            let now = self.machine.now();
            if now >= to {
                return Ok(Stopped::There);
            }
            while let Some(input) = self.script.inputs.get(self.next).filter(|i| i.at <= now) {
                match (&input.data, &mut tap) {
                    (InputData::HaltAdvance { ns }, Some(tap)) => self.machine.advance_halted_tapped(*ns, *tap),
                    (data, _) => deliver(&mut self.machine, data),
                }
                self.next += 1;
            }
            let next = self.script.inputs.get(self.next).map_or(to, |i| i.at.min(to));
            let exit = match &mut tap {
                Some(tap) => self.machine.run_tapped(next, false, *tap),
                None => self.machine.run(next, false),
            };
            self.machine.pc.transcript.take_live();
            self.machine.pc.transcript.take_sent();
            match exit {
                Exit::Limit => {}
                Exit::Observed => return Ok(Stopped::Observed(self.machine.cpu.take_hits())),
                // The guest's own end takes effect behind the last instruction of history.
                _ if self.machine.now() == self.script.end => {}
                _ => return Err(Error::Parted { at: self.machine.now(), to }),
            }
        }
    }
    /// Runs to a position ahead; what is observed is not looked at.
    pub fn run_to(&mut self, to: Position) -> Result<(), Error> {
        self.machine.cpu.observe(Wanted::default());
        self.run(to.moment)?;
        while self.position() < to {
            self.machine.cpu.observe(Wanted { deliveries: true, ..Wanted::default() });
            match self.run(Moment(to.moment.0 + 1))? {
                Stopped::Observed(hits) if hits.iter().any(|h| matches!(h.what, What::Delivered { .. })) => {}
                _ => return Err(Error::NoSuchPosition { to }),
            }
        }
        Ok(())
    }
    /// Takes the state down. Only where no delivery of this Moment is done.
    pub fn rest(&self) -> Rest {
        debug_assert_eq!(self.position().deliveries, 0);
        Rest { machine: self.machine.save(), is_repeating: self.machine.cpu.is_repeating() }
    }
    /// Puts a state in place; the caller has loaded its pages.
    pub fn restore(&mut self, rest: &Rest) -> Result<(), Error> {
        self.machine.restore(&rest.machine).map_err(Error::Saved)?;
        self.machine.cpu.stands_at_rest(rest.is_repeating);
        self.next = self.script.input_at(rest.at());
        Ok(())
    }
}
