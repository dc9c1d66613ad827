//! STUB, thrown away at the merge.
use super::Error;
use super::player::Player;
use crate::machine::{Geometry, Machine};
use crate::moment::Moment;
use crate::recording::Reader;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Position {
    pub moment: Moment,
    pub deliveries: u32,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Steps {
    Cpu,
    Thread,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    Any,
    Root(u64),
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Linear(u64, Space),
    Physical(u64),
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breakpoint {
    pub place: Place,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    Read,
    Write,
    ReadWrite,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    pub place: Place,
    pub len: u64,
    pub kind: AccessKind,
    pub changes_only: bool,
}
#[derive(Default, Clone, Debug)]
pub struct Stops {
    pub breakpoints: Vec<Breakpoint>,
    pub watches: Vec<Watch>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    Breakpoint(usize),
    Watch { index: usize, address: u64, len: u8, is_write: bool },
    Stepped,
    Begin,
    End,
    Cancelled,
}
#[derive(Clone, Default, Debug)]
pub struct Cancel(Arc<AtomicBool>);
impl Cancel {
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst)
    }
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst)
    }
}
#[derive(Default, Clone, Debug)]
pub struct Options {}

pub struct Travel {
    reader: Reader,
    player: Player,
    end: Moment,
}
impl Travel {
    pub fn open(reader: Reader, _: Options) -> Result<Travel, Error> {
        let end = reader.summary()?.last;
        let player = Player::new(&reader, Geometry::default(), false)?;
        Ok(Travel { reader, player, end })
    }
    pub fn position(&self) -> Position {
        Position { moment: self.player.machine.now(), deliveries: 0 }
    }
    pub fn end(&self) -> Moment {
        self.end
    }
    pub fn machine(&self) -> &Machine {
        &self.player.machine
    }
    pub fn seek(&mut self, to: Position) -> Result<(), Error> {
        if to.moment < self.player.machine.now() {
            self.player = Player::new(&self.reader, Geometry::default(), false)?;
        }
        self.player.seek(to.moment)?;
        Ok(())
    }
    pub fn step(&mut self, direction: Direction, _: Steps, _: &Cancel) -> Result<Arrival, Error> {
        let now = self.position().moment.0;
        match direction {
            Direction::Forward if now >= self.end.0 => return Ok(Arrival::End),
            Direction::Backward if now == 0 => return Ok(Arrival::Begin),
            Direction::Forward => self.seek(Position { moment: Moment(now + 1), deliveries: 0 })?,
            Direction::Backward => self.seek(Position { moment: Moment(now - 1), deliveries: 0 })?,
        }
        Ok(Arrival::Stepped)
    }
    fn bytes(&self, w: &Watch) -> Vec<Option<u8>> {
        let cpu = &self.machine().cpu;
        (0..w.len)
            .map(|i| {
                let gpa = match w.place {
                    Place::Linear(a, _) => cpu.translate_quietly(a + i)?,
                    Place::Physical(a) => a + i,
                };
                let mut b = [0];
                cpu.phys.read(gpa, &mut b)?;
                Some(b[0])
            })
            .collect()
    }
    fn bp(&self, stops: &Stops) -> Option<usize> {
        let cpu = &self.machine().cpu;
        let base = if cpu.is_64bit() { 0 } else { cpu.state.seg[1].base };
        stops.breakpoints.iter().position(|b| match b.place {
            Place::Linear(a, s) => {
                a == cpu.rip.wrapping_add(base)
                    && match s {
                        Space::Any => true,
                        Space::Root(r) => r == cpu.state.cr3 & !0xfff,
                    }
            }
            Place::Physical(a) => cpu.translate_quietly(cpu.rip.wrapping_add(base)) == Some(a),
        })
    }
    fn scan(
        &mut self,
        until: u64,
        stops: &Stops,
        cancel: &Cancel,
        at: &mut dyn FnMut(Position, Position, Arrival) -> bool,
    ) -> Result<Option<Arrival>, Error> {
        loop {
            let before = self.position();
            if before.moment.0 >= until {
                return Ok(None);
            }
            if cancel.is_requested() {
                return Ok(Some(Arrival::Cancelled));
            }
            let old: Vec<_> = stops.watches.iter().map(|w| self.bytes(w)).collect();
            self.seek(Position { moment: Moment(before.moment.0 + 1), deliveries: 0 })?;
            for (index, o) in old.iter().enumerate() {
                let w = stops.watches[index];
                if *o != self.bytes(&w) {
                    let address = match w.place {
                        Place::Linear(a, _) | Place::Physical(a) => a,
                    };
                    let arrival = Arrival::Watch { index, address, len: 1, is_write: true };
                    if at(before, self.position(), arrival) {
                        return Ok(Some(arrival));
                    }
                }
            }
            if let Some(i) = self.bp(stops) {
                let here = self.position();
                if here.moment.0 < until && at(here, here, Arrival::Breakpoint(i)) {
                    return Ok(Some(Arrival::Breakpoint(i)));
                }
            }
        }
    }
    pub fn run(&mut self, direction: Direction, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        if direction == Direction::Forward {
            let end = self.end.0;
            if stops.breakpoints.is_empty() && stops.watches.is_empty() {
                self.seek(Position { moment: self.end, deliveries: 0 })?;
                return Ok(Arrival::End);
            }
            return Ok(self.scan(end, stops, cancel, &mut |_, _, _| true)?.unwrap_or(Arrival::End));
        }
        let from = self.position();
        if from.moment.0 == 0 {
            return Ok(Arrival::Begin);
        }
        let mut last = (Position { moment: Moment(0), deliveries: 0 }, Arrival::Begin);
        self.seek(last.0)?;
        if let Some(i) = self.bp(stops) {
            last.1 = Arrival::Breakpoint(i);
        }
        if !(stops.breakpoints.is_empty() && stops.watches.is_empty()) {
            if let Some(Arrival::Cancelled) = self.scan(from.moment.0, stops, cancel, &mut |before, _, a| {
                last = (before, a);
                false
            })? {
                self.seek(from)?;
                return Ok(Arrival::Cancelled);
            }
        }
        self.seek(last.0)?;
        Ok(last.1)
    }
}
