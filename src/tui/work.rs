//! What the screen asks of the session, and what comes back.
//!
//! One request is under way at a time; the model keeps the others. Each has a generation, which its answer carries, so that
//! an answer nobody waits for any more is recognised.

use super::console::Console;
use super::lanes::{self, Lane, Stretch};
use super::sight::{Sight, Wish};
use crate::moment::Moment;
use crate::session::{
    Access, Appearance, Arrival, Destination, Direction, Error, Mark, Pattern, Position, Seat, Session, Steps, Stops,
    Touched,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Every time that something came to stand in memory.
    Find(Sought),
    /// The tables that are missing.
    MakeTables,
    /// What happened in a stretch, for the time bar.
    Lanes(Stretch, Option<Access>),
}

impl Request {
    /// True for what nobody waits for: it gives way.
    pub fn is_background(&self) -> bool {
        matches!(self, Request::Lanes(..))
    }

    /// What is done, for the line at the bottom.
    pub fn label(&self) -> &'static str {
        match self {
            Request::Open => "opening",
            Request::Look => "reading",
            Request::Mark { .. } | Request::Unmark(_) => "writing the bookmarks",
            Request::Resolve(_) => "looking for the symbol",
            Request::MakeTables => "making tables",
            Request::Find(_) => "searching all memory at all times",
            Request::Lanes(..) => "counting what happened",
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
    /// To [`Request::Find`].
    Found {
        /// What was looked for.
        sought: Sought,
        /// In the order of time.
        found: Vec<Appearance>,
    },
    /// To [`Request::MakeTables`]: what the user should know.
    TablesMade(Vec<String>),
    /// To [`Request::Lanes`].
    Lanes(Stretch, Vec<Lane>),
}

/// Finds that are listed.
pub const MOST_FOUND: usize = 10_000;

/// What is looked for in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// These characters.
    Text(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this regular expression matches.
    Expression(String),
}

impl Sought {
    /// As people write it: `text`, `hex: de ad`, `/expression/`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Sought, String> {
        if let Some(expression) = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')) {
            return Ok(Sought::Expression(expression.to_owned()));
        }
        let Some(hex) = text.strip_prefix("hex:") else { return Ok(Sought::Text(text.to_owned())) };
        let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
        bytes.map(Sought::Bytes).ok_or_else(|| "write bytes as pairs of hex digits: hex: de ad be ef".to_owned())
    }

    fn pattern(&self) -> Result<Pattern, Error> {
        let pattern = match self {
            Sought::Text(text) => Pattern::bytes(text.as_bytes()),
            Sought::Bytes(bytes) => Pattern::bytes(bytes),
            Sought::Expression(expression) => Pattern::regex(expression),
        };
        pattern.map_err(|why| Error::NothingFound(why.to_string()))
    }
}

impl std::fmt::Display for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sought::Text(text) => f.write_str(text),
            Sought::Bytes(bytes) => write!(f, "hex:{}", crate::text::hex(bytes)),
            Sought::Expression(expression) => write!(f, "/{expression}/"),
        }
    }
}

/// How far long work has come, to be read from any thread.
#[derive(Default)]
pub struct Progress {
    at: AtomicU64,
    found: AtomicU64,
}

impl Progress {
    fn reset(&self) {
        self.at.store(0, Ordering::Relaxed);
        self.found.store(0, Ordering::Relaxed);
    }
    /// The Moment it has come to, and how much it has found.
    pub fn read(&self) -> (Moment, u64) {
        (Moment(self.at.load(Ordering::Relaxed)), self.found.load(Ordering::Relaxed))
    }
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
pub fn start(
    session: &Session,
    asked: Asked,
    progress: &Arc<Progress>,
    done: impl FnOnce(u64, Result<Answer, Trouble>) + Send + 'static,
) {
    let progress = progress.clone();
    let mut reply = Reply(Some((asked.generation, Box::new(done))));
    let sent = session.start(
        move |seat| perform(seat, asked.request, &asked.wish, &progress),
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
pub fn perform(seat: &mut Seat, request: Request, wish: &Wish, progress: &Progress) -> Result<Answer, Error> {
    progress.reset();
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
        Request::Find(sought) => {
            let found = find(seat, &sought, progress)?;
            Answer::Found { sought, found }
        }
        Request::MakeTables => Answer::TablesMade(make_tables(seat, progress)?),
        Request::Lanes(stretch, watched) => Answer::Lanes(stretch, lanes::count(seat, stretch, watched.as_ref())?),
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

fn find(seat: &mut Seat, sought: &Sought, progress: &Progress) -> Result<Vec<Appearance>, Error> {
    let mut found = Vec::new();
    let at = |at: Moment| {
        progress.at.fetch_max(at.0, Ordering::Relaxed);
    };
    seat.find_in_memory(sought.pattern()?, &at, &mut |appearance| {
        found.push(appearance);
        progress.found.store(found.len() as u64, Ordering::Relaxed);
        if found.len() < MOST_FOUND { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if found.is_empty() {
        return Err(Error::NothingFound(format!("\"{sought}\" never stood in memory")));
    }
    Ok(found)
}

#[cfg(feature = "query")]
fn make_tables(seat: &mut Seat, progress: &Progress) -> Result<Vec<String>, Error> {
    seat.make_tables(&|at| {
        progress.at.fetch_max(at.0, Ordering::Relaxed);
    })
}

#[cfg(not(feature = "query"))]
fn make_tables(_: &mut Seat, _: &Progress) -> Result<Vec<String>, Error> {
    Err(Error::NothingFound(super::rows::NO_TABLES.to_owned()))
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
