//! What the screen asks of the session, and what comes back.
//!
//! One request is under way at a time; the model keeps the others. Each has a generation, which its answer carries, so that
//! an answer nobody waits for any more is recognised.

use super::console::Console;
use super::lanes::{self, Lanes, Stretch};
use super::sight::{Sight, Wish};
use crate::session::{
    Access, Arrival, Destination, Direction, Error, Mark, Position, Seat, Session, Steps, Stops, Touched,
};
use std::sync::Arc;

/// A way to another place in time.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// A step of the program or the kernel.
    Step(Direction),
    /// A step of the processor.
    StepCpu(Direction),
    /// A step, with a call as one.
    Over(Direction),
    /// Out of a function.
    Out(Direction),
    /// The next or last access to bytes.
    Access(Direction, Access),
    /// The next or last time that an address runs.
    Execution(Direction, u64),
    /// The next or previous system call.
    Syscall(Direction),
    /// To a place as people write it.
    Go(Destination),
    /// To a place that was visited.
    Visit(Position),
    /// The next time that a symbol of the kernel runs, or the last one if there is no next.
    Symbol(String),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Everything that is constant, and the first sight.
    Open,
    /// Go somewhere, and look.
    Go(Move),
    /// Look again from the same place, at other things.
    Look,
    /// Bookmark this place.
    Mark {
        /// Its name.
        name: String,
        /// What it is about.
        note: String,
    },
    /// Forget a bookmark.
    Unmark(String),
    /// The address of a symbol.
    Resolve(String),
    /// What happened in a stretch, for the time bar.
    Lanes(Stretch),
}

impl Request {
    /// True for what nobody waits for: it gives way.
    pub fn is_background(&self) -> bool {
        matches!(self, Request::Lanes(_))
    }

    /// What is done, for the line at the bottom.
    pub fn label(&self) -> &'static str {
        match self {
            Request::Open => "opening",
            Request::Look => "reading",
            Request::Mark { .. } | Request::Unmark(_) => "writing the bookmarks",
            Request::Resolve(_) => "looking for the symbol",
            Request::Lanes(_) => "counting what happened",
            Request::Go(to) => match to {
                Move::Step(_) | Move::StepCpu(_) => "stepping",
                Move::Over(_) => "stepping over the call",
                Move::Out(_) => "running out of the function",
                Move::Access(Direction::Forward, _) => "looking for the next write",
                Move::Access(Direction::Backward, _) => "looking for the last write",
                Move::Execution(Direction::Forward, _) | Move::Symbol(_) => "looking for the next execution",
                Move::Execution(Direction::Backward, _) => "looking for the last execution",
                Move::Syscall(_) => "looking for the system call",
                Move::Go(_) | Move::Visit(_) => "going there",
            },
        }
    }
}

/// What came back.
pub enum Answer {
    /// To [`Request::Open`].
    Opened {
        /// What was printed in the whole recording.
        console: Arc<Console>,
        /// Bookmarks.
        marks: Vec<Mark>,
        /// What the user should know of the index.
        notes: Vec<String>,
        /// The start.
        sight: Box<Sight>,
    },
    /// To [`Request::Go`].
    Moved {
        /// What is there.
        sight: Box<Sight>,
        /// What was found.
        said: Option<String>,
    },
    /// To [`Request::Look`].
    Looked(Box<Sight>),
    /// To [`Request::Mark`] and [`Request::Unmark`].
    Marks(Vec<Mark>),
    /// To [`Request::Resolve`].
    Address(u64),
    /// To [`Request::Lanes`].
    Lanes(Lanes),
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which one it is.
    pub generation: u64,
    /// What is wanted.
    pub request: Request,
    /// What the panes show.
    pub wish: Wish,
}

/// What the user reads instead of an answer.
#[derive(Debug)]
pub enum Trouble {
    /// The user wanted that.
    Cancelled,
    /// A sentence.
    Said(String),
    /// The session is gone.
    Ended,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match error {
            Error::Cancelled => Trouble::Cancelled,
            Error::Ended => Trouble::Ended,
            error => Trouble::Said(with_causes(&error)),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = error.source();
    }
    said
}

/// Has the session work on a request; `done` gets the answer, on the session's thread, also if that thread dies.
pub fn start(session: &Session, asked: Asked, done: impl FnOnce(u64, Result<Answer, Trouble>) + Send + 'static) {
    let mut reply = Reply(Some((asked.generation, Box::new(done))));
    let sent = session.start(
        move |seat| perform(seat, asked.request, &asked.wish),
        move |outcome| reply.send(outcome.map_err(Trouble::from)),
    );
    // A session that is gone has dropped the reply, which says so.
    drop(sent);
}

type Done = Box<dyn FnOnce(u64, Result<Answer, Trouble>) + Send>;

/// Answers in any case.
struct Reply(Option<(u64, Done)>);

impl Reply {
    fn send(&mut self, outcome: Result<Answer, Trouble>) {
        if let Some((generation, done)) = self.0.take() {
            done(generation, outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Err(Trouble::Ended));
    }
}

/// Works on a request, on the session's thread.
///
/// # Errors
/// As the session.
pub fn perform(seat: &mut Seat, request: Request, wish: &Wish) -> Result<Answer, Error> {
    Ok(match request {
        Request::Open => Answer::Opened {
            console: Arc::new(Console::of(seat.outputs())),
            marks: seat.marks(),
            notes: seat.take_notes(),
            sight: Box::new(Sight::take(seat, wish)?),
        },
        Request::Go(to) => {
            let said = go(seat, to)?;
            Answer::Moved { sight: Box::new(Sight::take(seat, wish)?), said }
        }
        Request::Look => Answer::Looked(Box::new(Sight::take(seat, wish)?)),
        Request::Mark { name, note } => {
            seat.mark(&name, &note)?;
            Answer::Marks(seat.marks())
        }
        Request::Unmark(name) => {
            seat.unmark(&name)?;
            Answer::Marks(seat.marks())
        }
        Request::Resolve(name) => Answer::Address(address(seat, &name)?),
        Request::Lanes(stretch) => Answer::Lanes(lanes::count(seat, stretch)?),
    })
}

fn go(seat: &mut Seat, to: Move) -> Result<Option<String>, Error> {
    let arrival = match to {
        Move::Step(direction) => seat.step(direction, Steps::Thread, &Stops::default())?,
        Move::StepCpu(direction) => seat.step(direction, Steps::Cpu, &Stops::default())?,
        Move::Over(direction) => seat.over(direction)?,
        Move::Out(direction) => seat.out(direction)?,
        Move::Syscall(direction) => seat.syscall(direction)?,
        Move::Execution(direction, address) => seat.execution(direction, address)?,
        Move::Symbol(name) => {
            let at = address(seat, &name)?;
            match seat.execution(Direction::Forward, at) {
                Err(Error::NothingFound(_)) => seat.execution(Direction::Backward, at)?,
                other => other?,
            }
        }
        Move::Access(direction, access) => {
            let touched = seat.find_access(direction, &access)?;
            return Ok(Some(describe(&touched)));
        }
        Move::Go(destination) => {
            seat.go(&destination)?;
            return Ok(None);
        }
        Move::Visit(position) => {
            seat.go_to(position)?;
            return Ok(None);
        }
    };
    match arrival {
        Arrival::Cancelled => Err(Error::Cancelled),
        Arrival::Begin => Ok(Some("this is the beginning".to_owned())),
        Arrival::End => Ok(Some("this is the end: it does not run again".to_owned())),
        _ => Ok(None),
    }
}

fn address(seat: &mut Seat, name: &str) -> Result<u64, Error> {
    let found = seat.guest(|view| Ok(view.profile.symbols.address(name)));
    match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(Error::NothingFound(format!("\"{name}\" is neither a bookmark nor a symbol of the kernel"))),
        Err(why) => Err(Error::NothingFound(format!("\"{name}\" is no bookmark, and there are no symbols: {why}"))),
    }
}

fn describe(touched: &Touched) -> String {
    let hex = |bytes: &[u8]| match bytes {
        [] => "?".to_owned(),
        bytes => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
    };
    format!("{:#x} wrote {:#x}: {} -> {}", touched.rip, touched.address, hex(&touched.old), hex(&touched.new))
}
