//! One open recording at one current Position, that the debugger and the terminal UI drive alike.
//!
//! A thread of its own holds the recording ([`Seat`]); everybody else has a [`Session`], which can be cloned, and sends
//! it requests: functions on the Seat. One request runs at a time, in the order of asking; the one that runs can be
//! cancelled at once from any thread. Nothing here writes to the recording; marks are kept in its index folder.

mod destination;
mod disassembly;
mod error;
mod inputs;
mod kernel;
mod marks;
mod memory;
mod movement;
mod program;
mod registers;
mod search;
mod seat;
mod stepping;
#[cfg(feature = "query")]
mod tables;

#[cfg(test)]
mod tests;

pub use crate::analysis::find::{Appearance, Pattern};
pub use crate::cpu::state::{Segment, attr};
pub use crate::recording::Output;
pub use crate::replay::travel::{
    AccessKind, Arrival, Breakpoint, Cancel, Direction, FirstPass, Options, Place, Position, Space, Steps, Stops, Watch,
};
pub use destination::Destination;
pub use disassembly::Line;
pub use error::Error;
pub use inputs::{InputLine, Inputs};
pub use marks::Mark;
pub use memory::Memory;
pub use movement::{Access, Touched};
pub use program::Program;
pub use registers::{Mode, Msr, Registers, X87Registers};
pub use seat::{Moments, Seat};

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What is asked of the Seat.
type Request = Box<dyn FnOnce(&mut Seat) + Send>;

/// A handle on an open recording.
#[derive(Clone)]
pub struct Session {
    requests: Sender<Request>,
    cancel: Cancel,
}

impl Session {
    /// Opens a recording; it stands at its first Position.
    ///
    /// # Errors
    /// What [`Seat::open`] says.
    pub fn open(path: &Path, options: Options) -> Result<Session, Error> {
        let (requests, inbox) = channel::<Request>();
        let (opened, outcome) = channel();
        let cancel = Cancel::default();
        let path = path.to_path_buf();
        let its_cancel = cancel.clone();
        std::thread::Builder::new()
            .name("session".into())
            .spawn(move || match Seat::open(&path, options, its_cancel) {
                Ok(seat) => {
                    let _ = opened.send(Ok(()));
                    serve(seat, &inbox);
                }
                Err(e) => drop(opened.send(Err(e))),
            })
            .map_err(Error::Thread)?;
        outcome.recv().map_err(|_| Error::Ended)??;
        Ok(Session { requests, cancel })
    }

    /// Asks and waits for the answer. The recording stands still before and after `request`.
    ///
    /// # Errors
    /// What the request returns, or [`Error::Ended`] when the session's thread is gone.
    pub fn ask<T, F>(&self, request: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Seat) -> Result<T, Error> + Send + 'static,
    {
        let (answer, outcome) = channel();
        self.start(request, move |result| drop(answer.send(result)))?;
        outcome.recv().map_err(|_| Error::Ended)?
    }

    /// Asks and returns at once; `done` gets the answer, on the session's thread. Whatever was cancelled before is
    /// forgotten: [`Session::cancel`] from now on means this request.
    ///
    /// # Errors
    /// [`Error::Ended`] when the session's thread is gone.
    pub fn start<T, F, D>(&self, request: F, done: D) -> Result<(), Error>
    where
        F: FnOnce(&mut Seat) -> Result<T, Error> + Send + 'static,
        D: FnOnce(Result<T, Error>) + Send + 'static,
    {
        self.cancel.clear();
        self.requests.send(Box::new(move |seat| done(request(seat)))).map_err(|_| Error::Ended)
    }

    /// Has the request that runs now come to its end at once. Nothing happens if none runs.
    pub fn cancel(&self) {
        self.cancel.request();
    }
}

/// Runs until the last handle is gone.
fn serve(mut seat: Seat, inbox: &Receiver<Request>) {
    for request in inbox {
        request(&mut seat);
    }
}
