//! What the session's thread holds: the traveller, the recording, the marks.

use super::marks::{Mark, Marks};
use super::{Cancel, Destination, Error, Options, Position, Program};
use crate::guest::Profile;
use crate::machine::clock::Clock;
use crate::machine::{Geometry, Machine};
use crate::moment::Moment;
use crate::recording::{Header, InputData, Output, Reader};
use crate::replay::travel::{FirstPass, Travel, index_folder};
use crate::replay::verify::{self, Report};
use std::path::Path;
use std::sync::Arc;

/// The current place in all coordinates that a recording has.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Where the machine stands.
    pub position: Position,
    /// The last Moment of the recording.
    pub end: Moment,
    /// Virtual nanoseconds since power-on.
    pub guest_ns: u64,
    /// What the guest's battery-backed clock is worth now, ns since 1970.
    pub guest_date_ns: u64,
    /// When the recording was begun on the host, ns since 1970.
    pub recorded_ns: u64,
}

impl Moments {
    /// How far into the recording, 0 to 100.
    pub fn percent(&self) -> f64 {
        if self.end.0 == 0 { 0.0 } else { self.position.moment.0 as f64 * 100.0 / self.end.0 as f64 }
    }
}

/// An open recording. Requests are its methods; [`super::Session`] sends them.
pub struct Seat {
    pub(super) travel: Travel,
    pub(super) cancel: Cancel,
    marks: Marks,
    wall_clock_ns: u64,
    program: Option<Program>,
    /// What is constant for the kernel that was seen last.
    pub(super) profile: Option<Profile>,
}

impl Seat {
    /// Opens a recording at its first Position.
    ///
    /// # Errors
    /// A file that is no recording or is damaged in front of its first event, a machine that this build cannot replay,
    /// marks that cannot be read.
    pub fn open(path: &Path, options: Options, cancel: Cancel) -> Result<Seat, Error> {
        let travel = Travel::open(Reader::open(path)?, options)?;
        let marks = Marks::open(&index_folder(path))?;
        let wall_clock_ns = travel.script().wall_clock_ns().unwrap_or(travel.reader().header().wall_clock_start_ns);
        Ok(Seat { travel, cancel, marks, wall_clock_ns, program: None, profile: None })
    }

    /// Where the machine stands.
    pub fn position(&self) -> Position {
        self.travel.position()
    }

    /// The last Moment of the recording.
    pub fn end(&self) -> Moment {
        self.travel.end()
    }

    /// The machine as it stands; look only.
    pub fn machine(&self) -> &Machine {
        self.travel.machine()
    }

    /// What was recorded, by whom and how.
    pub fn header(&self) -> &Header {
        self.travel.reader().header()
    }

    /// The recording's file.
    pub fn path(&self) -> &Path {
        self.travel.reader().path()
    }

    /// The first pass over the recording, to be watched while requests are worked on.
    pub fn first_pass(&self) -> Arc<FirstPass> {
        self.travel.first_pass()
    }

    /// What went wrong with the index without stopping anything, one sentence each; told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.travel.take_notes()
    }

    /// The current place in every coordinate.
    pub fn moments(&self) -> Moments {
        let guest_ns = self.machine().clock_ns();
        Moments {
            position: self.position(),
            end: self.end(),
            guest_ns,
            guest_date_ns: self.wall_clock_ns + guest_ns,
            recorded_ns: self.header().wall_clock_start_ns,
        }
    }

    /// Goes to a place in time.
    ///
    /// # Errors
    /// A place outside the recording, an unknown mark, [`Error::Cancelled`]; then nothing has moved.
    pub fn go(&mut self, to: &Destination) -> Result<Position, Error> {
        if *to == Destination::Exit {
            let root = self.program()?.root;
            if !self.travel.seek_last_of(root, &self.cancel)? {
                return Err(Error::Cancelled);
            }
            return Ok(self.position());
        }
        let position = self.find(to)?;
        if !self.travel.seek_unless(position, &self.cancel)? {
            return Err(Error::Cancelled);
        }
        Ok(self.position())
    }

    /// Goes to a Position that the session has told before.
    ///
    /// # Errors
    /// As the replay, and [`Error::Cancelled`]; then nothing has moved.
    pub fn go_to(&mut self, to: Position) -> Result<(), Error> {
        if self.travel.seek_unless(to, &self.cancel)? { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// The same for who only looked elsewhere: it cannot be cancelled.
    ///
    /// # Errors
    /// As the replay.
    pub fn return_to(&mut self, to: Position) -> Result<(), Error> {
        Ok(self.travel.seek(to)?)
    }

    /// What the guest sent out, oldest first.
    pub fn outputs(&self) -> &[Output] {
        &self.travel.script().outputs
    }

    /// When this much guest time has passed since power-on.
    fn moment_at(&self, guest_ns: u64) -> Moment {
        let mut clock = Clock::default();
        for input in &self.travel.script().inputs {
            let InputData::HaltAdvance { ns } = input.data else { continue };
            if clock.icount_at(guest_ns) <= input.at.0 {
                break;
            }
            clock.advance_halted(ns);
        }
        Moment(clock.icount_at(guest_ns))
    }

    fn find(&self, to: &Destination) -> Result<Position, Error> {
        let (now, end) = (self.position().moment, self.end());
        let moment = match to {
            Destination::At(moment) => *moment,
            Destination::Later(n) => Moment(now.0.saturating_add(*n)),
            Destination::Earlier(n) => Moment(now.0.checked_sub(*n).ok_or(Error::BeforeStart { back: *n, from: now })?),
            Destination::Percent(p) => Moment(((end.0 as f64 * p / 100.0) as u64).min(end.0)),
            Destination::GuestTime(ns) => self.moment_at(*ns),
            Destination::End => end,
            Destination::Exit => return Err(Error::NoDestination("exit".into())),
            Destination::Mark(name) => {
                return self.marks.get(name).ok_or_else(|| Error::NoDestination(name.clone()));
            }
        };
        if moment > end {
            return Err(Error::PastEnd { asked: moment, end });
        }
        Ok(Position { moment, deliveries: 0 })
    }

    /// Names the current Position; a name that is there already moves.
    ///
    /// # Errors
    /// An unfit name, or a folder that cannot be written.
    pub fn mark(&mut self, name: &str, note: &str) -> Result<Position, Error> {
        let position = self.position();
        self.marks.set(Mark { name: name.to_owned(), position, note: note.to_owned() })?;
        Ok(position)
    }

    /// Forgets a mark.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn unmark(&mut self, name: &str) -> Result<(), Error> {
        self.marks.remove(name)
    }

    /// All marks in the order of time.
    pub fn marks(&self) -> Vec<Mark> {
        self.marks.in_order()
    }

    /// Runs the whole recording again in a machine of its own and compares every Digest and Output. The current
    /// Position stays. Cannot be cancelled.
    ///
    /// # Errors
    /// As [`verify::verify`]; a difference is in the report.
    pub fn verify(&self, progress: &mut dyn FnMut(Moment)) -> Result<Report, Error> {
        Ok(verify::verify(self.travel.reader(), Geometry::default(), progress)?)
    }

    /// The recorded program in the guest's memory: see [`Program`]. Searched once.
    ///
    /// # Errors
    /// No program was recorded, its file has changed, or it never ran.
    pub fn program(&mut self) -> Result<Program, Error> {
        if self.program.is_none() {
            self.program = Some(super::program::find(self)?);
        }
        self.program.clone().ok_or(Error::Ended)
    }
}
