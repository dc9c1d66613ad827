//! One client: its bytes go through the framer and past `beside` to gdbstub; what gdbstub wants to run goes to the
//! session, while the client is listened to.
//!
//! Two threads a client. One reads and cuts frames, and cancels the session's request as soon as it sees Ctrl-C or the
//! end of the connection, whatever the other one is waiting for. The other does everything else.

use super::Settings;
use super::beside::{self, Outbox, Verdict};
use super::stops::{Reason, Table, signal};
use super::target::{Resume, Target};
use super::wire::{Frame, Framer, LONGEST, packet};
use crate::session::{Arrival, Direction, Error, Session};
use gdbstub::common::Signal;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, GdbStubError};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What a client's loop hears.
enum Event {
    Frame(Frame),
    /// The peer is gone.
    Gone,
    /// What was resumed has stopped.
    Arrived(Result<Arrival, Error>),
}

/// Why a client's loop ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It detached.
    Detached,
    /// It asked to kill the program; nothing was killed.
    Killed,
    /// The connection ended or failed.
    Vanished,
    /// It sent what makes no sense; the sentence says what.
    Confused(String),
    /// The session is gone, and with it the server's purpose.
    SessionEnded,
}

/// Frames that may wait while something runs. gdb sends one at a time.
const MOST_WAITING: usize = 1024;

/// Serves one client until it goes. `reader` must end when the connection does.
pub fn serve(
    session: &Session,
    settings: &mut Settings,
    reader: impl Read + Send + 'static,
    writer: impl Write,
) -> Farewell {
    let (events, inbox) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    if let Err(e) = listen(reader, session.clone(), events.clone(), waiting.clone()) {
        return Farewell::Confused(format!("cannot start a thread for a client: {e}"));
    }
    let target = Target { session, settings, stops: Table::default(), resume: None };
    Client { target, events, inbox, waiting, held: VecDeque::new(), is_multiprocess: false, interrupted: None }
        .talk(writer)
}

/// Starts the thread that reads. It ends with the connection or with the loop.
fn listen(
    mut reader: impl Read + Send + 'static,
    session: Session,
    events: Sender<Event>,
    waiting: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let read = move || {
        let mut framer = Framer::default();
        let mut bytes = [0; 4096];
        'connection: loop {
            let n = match reader.read(&mut bytes) {
                Ok(n) if n > 0 => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                _ => break,
            };
            for frame in bytes.iter().take(n).filter_map(|&b| framer.push(b)) {
                if frame == Frame::Interrupt {
                    session.cancel();
                }
                let is_flood = waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING;
                if is_flood || events.send(Event::Frame(frame)).is_err() {
                    break 'connection;
                }
            }
        }
        session.cancel();
        let _ = events.send(Event::Gone);
    };
    std::thread::Builder::new().name("gdb client".into()).spawn(read).map(drop)
}

type Stub<'t, W> = GdbStubStateMachine<'static, Target<'t>, Outbox<W>>;

struct Client<'t> {
    target: Target<'t>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    waiting: Arc<AtomicUsize>,
    /// Frames that came while something ran.
    held: VecDeque<Frame>,
    is_multiprocess: bool,
    /// When Ctrl-C came while nothing ran.
    interrupted: Option<Instant>,
}

/// gdb runs in steps where it has to look at each: Ctrl-C between two of them is meant for the next.
const STILL_MEANT: Duration = Duration::from_millis(200);

impl<'t> Client<'t> {
    fn talk<W: Write>(mut self, writer: W) -> Farewell {
        let stub = GdbStub::builder(Outbox::new(writer)).packet_buffer_size(LONGEST + 8).build();
        let Ok(stub) = stub else { return Farewell::Confused("gdbstub refused its buffer".into()) };
        let mut stub = match stub.run_state_machine(&mut self.target) {
            Ok(stub) => stub,
            Err(e) => return failed(e),
        };
        loop {
            let next = match stub {
                GdbStubStateMachine::Disconnected(inner) => return farewell(inner.get_reason()),
                GdbStubStateMachine::Running(inner) => match self.run() {
                    Ok(reason) => inner.report_stop(&mut self.target, reason).map_err(failed),
                    Err(farewell) => Err(farewell),
                },
                GdbStubStateMachine::CtrlCInterrupt(inner) => {
                    inner.interrupt_handled(&mut self.target, None::<Reason>).map_err(failed)
                }
                GdbStubStateMachine::Idle(_) => self.hear().and_then(|frame| self.answer(stub, frame)),
            };
            stub = match next {
                Ok(stub) => stub,
                Err(farewell) => return farewell,
            };
        }
    }

    /// The next frame that the client sent.
    fn hear(&mut self) -> Result<Frame, Farewell> {
        if let Some(frame) = self.held.pop_front() {
            return Ok(frame);
        }
        loop {
            match self.inbox.recv() {
                Ok(Event::Frame(frame)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    return Ok(frame);
                }
                Ok(Event::Arrived(_)) => {}
                Ok(Event::Gone) | Err(_) => return Err(Farewell::Vanished),
            }
        }
    }

    fn answer<W: Write>(&mut self, mut stub: Stub<'t, W>, frame: Frame) -> Result<Stub<'t, W>, Farewell> {
        let GdbStubStateMachine::Idle(inner) = &mut stub else { return Ok(stub) };
        let out = inner.borrow_conn();
        let sent = match frame {
            Frame::Interrupt => {
                self.interrupted = Some(now());
                Ok(())
            }
            Frame::Nack => out.send_again(),
            Frame::Damaged => out.acknowledge(false),
            Frame::Packet(payload) => {
                self.is_multiprocess |= announces_multiprocess(&payload);
                match out.acknowledge(true).map(|()| beside::judge(payload)) {
                    Ok(Verdict::Pass(payload)) => return self.feed(stub, &payload),
                    Ok(Verdict::Reply(reply)) => out.send(&reply),
                    Ok(Verdict::NoAck) => {
                        out.stop_acknowledging();
                        out.send(b"OK")
                    }
                    Ok(Verdict::Threads(offset, len)) => {
                        let list = beside::threads(self.is_multiprocess, &self.what_runs());
                        out.send(&beside::part(&list, offset, len))
                    }
                    Err(e) => Err(e),
                }
            }
        };
        sent.map(|()| stub).map_err(|_| Farewell::Vanished)
    }

    /// Gives a payload to gdbstub.
    fn feed<W: Write>(&mut self, mut stub: Stub<'t, W>, payload: &[u8]) -> Result<Stub<'t, W>, Farewell> {
        for byte in packet(payload) {
            stub = match stub {
                GdbStubStateMachine::Idle(inner) => inner.incoming_data(&mut self.target, byte).map_err(failed)?,
                other => other,
            };
        }
        Ok(stub)
    }

    /// Runs what was resumed, and listens. The client hears of trouble as text; the reply to a resume is always a stop.
    fn run(&mut self) -> Result<Reason, Farewell> {
        let was_interrupted = self.interrupted.take().is_some_and(|at| at.elapsed() < STILL_MEANT);
        if was_interrupted && matches!(self.target.resume, Some(Resume::Step(_) | Resume::Range(..))) {
            self.target.resume = None;
            return Ok(signal(Signal::SIGINT));
        }
        let mut is_gone = self.start().is_err();
        let arrival = loop {
            match self.inbox.recv() {
                Ok(Event::Arrived(arrival)) => break arrival,
                Ok(Event::Frame(Frame::Interrupt)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.target.session.cancel();
                }
                Ok(Event::Frame(frame)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.held.push_back(frame);
                    is_gone |= self.held.len() > MOST_WAITING;
                }
                Ok(Event::Gone) => is_gone = true,
                Err(_) => return Err(Farewell::Vanished),
            }
            if is_gone {
                self.target.session.cancel();
            }
        };
        match arrival {
            _ if is_gone => Err(Farewell::Vanished),
            Ok(arrival) => Ok(self.target.stops.reason(arrival)),
            Err(Error::Ended) => Err(Farewell::SessionEnded),
            Err(e) => {
                self.target.settings.trouble = Some(e.to_string());
                Ok(signal(Signal::SIGTRAP))
            }
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        let how = self.target.resume.take().unwrap_or(Resume::Step(Direction::Forward));
        let stops = self.target.stops.stops(self.target.settings.space);
        let steps = self.target.settings.steps;
        let events = self.events.clone();
        self.target.session.start(
            move |seat| match how {
                Resume::Run(direction) => seat.run(direction, &stops),
                Resume::Step(direction) => seat.step(direction, steps, &stops),
                Resume::Range(from, to) => seat.step_range(from, to, steps, &stops),
            },
            move |arrival| drop(events.send(Event::Arrived(arrival))),
        )
    }

    fn what_runs(&self) -> String {
        let text = |seat: &mut crate::session::Seat| {
            let r = seat.registers();
            let who = if r.cpl == 3 { "user" } else { "kernel" };
            Ok(format!("{who}, {}, address space {:#x}", r.mode, seat.root()))
        };
        self.target.session.ask(text).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the host edge: how long ago a person pressed a key")]
fn now() -> Instant {
    Instant::now()
}

fn announces_multiprocess(payload: &[u8]) -> bool {
    payload.starts_with(b"qSupported") && payload.windows(13).any(|w| w == b"multiprocess+")
}

fn farewell(reason: DisconnectReason) -> Farewell {
    match reason {
        DisconnectReason::Kill => Farewell::Killed,
        _ => Farewell::Detached,
    }
}

fn failed(error: GdbStubError<Error, std::io::Error>) -> Farewell {
    match error {
        e if e.is_target_error() => Farewell::SessionEnded,
        e if e.is_connection_error() => Farewell::Vanished,
        e => Farewell::Confused(e.to_string()),
    }
}
