//! Moving through history by stops: steps that see watchpoints, runs, and the search for the last or next access.

use super::{AccessKind, Arrival, Direction, Error, Place, Position, Seat, Space, Steps, Stops, Watch};

/// What is looked for by [`Seat::find_access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where.
    pub place: Place,
    /// Bytes.
    pub len: u64,
    /// Reading or writing.
    pub kind: AccessKind,
}

/// An access that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Where the machine stands now: in front of the instruction when looking backward, behind it when looking forward.
    pub position: Position,
    /// In front of the instruction.
    pub before: Position,
    /// The instruction's linear address.
    pub rip: u64,
    /// The address space that it ran in: CR3 without flag bits.
    pub root: u64,
    /// The accessed address.
    pub address: u64,
    /// Bytes of the watched range before the instruction, if they are mapped.
    pub old: Vec<u8>,
    /// The same after it.
    pub new: Vec<u8>,
}

impl Seat {
    /// One step; stops on its way are honoured.
    ///
    /// # Errors
    /// As the replay.
    pub fn step(&mut self, direction: Direction, steps: Steps, stops: &Stops) -> Result<Arrival, Error> {
        Ok(self.travel.step(direction, steps, stops, &self.cancel)?)
    }

    /// Steps forward while the instruction pointer stays in `start..end`.
    ///
    /// # Errors
    /// As the replay.
    pub fn step_range(&mut self, start: u64, end: u64, steps: Steps, stops: &Stops) -> Result<Arrival, Error> {
        loop {
            let arrival = self.step(Direction::Forward, steps, stops)?;
            if arrival != Arrival::Stepped {
                return Ok(arrival);
            }
            if let Some(index) = stops.breakpoints.iter().position(|b| self.is_at(b.place)) {
                return Ok(Arrival::Breakpoint(index));
            }
            if !(start..end).contains(&self.linear_rip()) {
                return Ok(arrival);
            }
            if self.cancel.is_requested() {
                return Ok(Arrival::Cancelled);
            }
        }
    }

    /// Runs until a stop, an end of history, or until cancelled.
    ///
    /// # Errors
    /// As the replay.
    pub fn run(&mut self, direction: Direction, stops: &Stops) -> Result<Arrival, Error> {
        Ok(self.travel.run(direction, stops, &self.cancel)?)
    }

    /// True if the next instruction is at `place`.
    pub fn is_at(&self, place: Place) -> bool {
        match place {
            Place::Linear(address, space) => {
                address == self.linear_rip()
                    && match space {
                        Space::Any => true,
                        Space::Root(root) => root == self.root(),
                    }
            }
            Place::Physical(address) => self.machine().cpu.translate_quietly(self.linear_rip()) == Some(address),
        }
    }

    /// Goes to the last (or next) access to some bytes, a write that changes nothing included. If there is none, or the
    /// search is cancelled, the machine stands where it stood.
    ///
    /// # Errors
    /// [`Error::NothingFound`], [`Error::Cancelled`], and as the replay.
    pub fn find_access(&mut self, direction: Direction, access: &Access) -> Result<Touched, Error> {
        let from = self.position();
        let watch = Watch { place: access.place, len: access.len, kind: access.kind, changes_only: false };
        let stops = Stops { watches: vec![watch], ..Stops::default() };
        let address = match self.travel.run(direction, &stops, &self.cancel)? {
            Arrival::Watch { address, .. } => address,
            arrival => {
                self.travel.seek(from)?;
                return Err(nothing(arrival, access));
            }
        };
        let position = self.position();
        let touched = self.look_around(direction, access, address);
        // Whatever happened on the way, the machine goes back to the access.
        self.travel.seek(position)?;
        touched
    }

    fn look_around(&mut self, direction: Direction, access: &Access, address: u64) -> Result<Touched, Error> {
        let position = self.position();
        let len = usize::try_from(access.len).unwrap_or(usize::MAX).min(MOST_SHOWN);
        let mut new = Vec::new();
        if direction == Direction::Forward {
            new = self.read_place(access.place, len).unwrap_or_default();
            self.travel.step(Direction::Backward, Steps::Cpu, &Stops::default(), &self.cancel)?;
        }
        let (before, rip, root) = (self.position(), self.linear_rip(), self.root());
        let old = self.read_place(access.place, len).unwrap_or_default();
        if direction == Direction::Backward {
            self.travel.step(Direction::Forward, Steps::Cpu, &Stops::default(), &self.cancel)?;
            new = self.read_place(access.place, len).unwrap_or_default();
        }
        Ok(Touched { position, before, rip, root, address, old, new })
    }
}

/// Bytes of a watched range that are shown.
const MOST_SHOWN: usize = 16;

fn nothing(arrival: Arrival, access: &Access) -> Error {
    let what = match access.kind {
        AccessKind::Read => "reads",
        AccessKind::Write => "writes",
        AccessKind::ReadWrite => "touches",
    };
    let (address, kind) = match access.place {
        Place::Linear(address, _) => (address, ""),
        Place::Physical(address) => (address, "physical "),
    };
    let when = match arrival {
        Arrival::Cancelled => return Error::Cancelled,
        Arrival::End => "between here and the end of the recording",
        _ => "between power-on and here",
    };
    Error::NothingFound(format!("nothing {what} the {} bytes at {kind}{address:#x} {when}", access.len))
}
