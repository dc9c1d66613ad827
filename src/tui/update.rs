//! How the state changes: a pure function of the state and what happened. What has to be done outside comes out as effects.

use super::keys::{self, Action};
use super::model::{List, Message, Model, Overlay, Pane, Purpose, Window};
use super::prompt::Input;
use super::rows::{Ask, Told};
use super::work::{Answer, Asked, Move, Request, Trouble};
use crate::moment::Moment;
use crate::session::{Access, AccessKind, Destination, Direction, Memory, Place, Space};
use crossterm::event::{KeyEvent, KeyEventKind};

mod answer;
mod cursor;
mod mouse;
mod typed;

/// What happened.
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(crossterm::event::MouseEvent),
    /// Text came from the clipboard.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The session answered the request of this generation.
    Answer(u64, Result<Answer, Trouble>),
    /// The tables answered the question of this number.
    Rows(u64, Result<Told, String>),
    /// A tenth of a second passed.
    Tick {
        /// How far the index is, while it is made.
        indexed: Option<Moment>,
        /// How far the request that runs has come, and how much it has found.
        progress: (Moment, u64),
    },
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the session.
    Ask(Asked),
    /// Ask the tables.
    Rows(u64, Ask),
    /// Have it stop what it does.
    Cancel,
    /// Put text into the clipboard of the terminal.
    Yank(String),
}

/// Requests that may wait; more keys are passed over.
const MOST_WAITING: usize = 32;

/// Changes the state.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Key(key) if key.kind == KeyEventKind::Release => {}
        Msg::Key(key) => effects.extend(typed::key(model, &key)),
        Msg::Mouse(event) => mouse::mouse(model, event),
        Msg::Paste(text) => typed::paste(model, &text),
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            model.ask(Request::Look);
        }
        Msg::Answer(generation, outcome) => answer::answer(model, generation, outcome),
        Msg::Rows(_, Ok(Told::Lanes(stretch, read))) => {
            if stretch == model.shown() {
                model.lanes_of(stretch).read = read;
            }
        }
        Msg::Rows(number, told) => {
            let seen = model.table_rows();
            effects.extend(model.tables.told(number, told, seen).map(|ask| Effect::Rows(model.tables.asked, ask)));
        }
        Msg::Tick { indexed, progress } => {
            model.progress = progress;
            model.ticks += 1;
            model.indexed = indexed;
            if let Some((_, ticks)) = &mut model.work.current {
                *ticks += 1;
            }
        }
    }
    effects.extend(model.pump());
    effects.extend(model.ask_tables());
    if std::mem::take(&mut model.wants_lanes) {
        effects.push(Effect::Rows(0, Ask::Lanes(model.shown())));
    }
    effects
}

impl Model {
    /// Lines a request up.
    pub fn ask(&mut self, request: Request) {
        let is_same = |other: &Request| match (&request, other) {
            // Only the last of these counts.
            (Request::Look, Request::Look) | (Request::Lanes(..), Request::Lanes(..)) => true,
            (Request::Go(Move::Go(_)), Request::Go(Move::Go(_))) => true,
            _ => false,
        };
        self.work.waiting.retain(|other| !is_same(other));
        if self.work.waiting.len() < MOST_WAITING {
            self.work.waiting.push_back(request);
        }
    }

    /// Goes to another place in time.
    fn go(&mut self, to: Move) {
        self.message = None;
        self.ask(Request::Go(to));
    }

    /// The first requests: everything that is constant, and where to begin.
    pub fn open(&mut self, at: Option<Destination>) -> Vec<Effect> {
        self.ask(Request::Open);
        if let Some(to) = at {
            self.ask(Request::Go(Move::Go(to)));
        }
        self.pump().into_iter().chain(self.ask_tables()).collect()
    }

    /// Asks for the rows that are seen.
    fn ask_tables(&mut self) -> Option<Effect> {
        self.layout().pane(Pane::Tables)?;
        let ask = self.tables.ask(self.table_rows())?;
        Some(Effect::Rows(self.tables.asked, ask))
    }

    /// Begins in a pane, which may be alone.
    pub fn begin_in(&mut self, pane: Pane, is_alone: bool) {
        self.focus = pane;
        self.is_maximised = is_alone;
        if pane.takes_turns() {
            self.tab = pane;
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), is_trouble: false });
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), is_trouble: true });
    }

    /// Starts the next request when nothing runs; has what nobody waits for give way.
    fn pump(&mut self) -> Option<Effect> {
        if let Some((asked, _)) = &self.work.current {
            let gives_way = asked.request.is_background() && self.work.waiting.iter().any(|r| !r.is_background());
            if gives_way && !self.work.is_cancelling {
                self.work.is_cancelling = true;
                return Some(Effect::Cancel);
            }
            return None;
        }
        let urgent = self.work.waiting.iter().position(|r| !r.is_background());
        let request = self.work.waiting.remove(urgent.unwrap_or(0))?;
        self.work.generation += 1;
        let asked = Asked { generation: self.work.generation, request, wish: self.wish() };
        self.work.current = Some((asked.clone(), 0));
        Some(Effect::Ask(asked))
    }

    /// Does what a key or a command says.
    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Quit => self.is_over = true,
            Action::Cancel => return self.cancel(),
            Action::Yank => return self.yank(),
            Action::YankMoment => return self.copy(self.now().to_string()),
            Action::Help => self.overlay = Some(Overlay::Help(List::default())),
            Action::Palette => self.overlay = Some(Overlay::Palette(Input::default(), List::default())),
            Action::Marks => self.overlay = Some(Overlay::Marks(List::default())),
            Action::Goto => self.prompt(Purpose::Goto),
            Action::LookAt => self.prompt(Purpose::LookAt),
            Action::Mark => self.prompt(Purpose::Mark),
            Action::Search if self.focus == Pane::Tables => self.prompt_filter(),
            Action::Search => self.prompt(Purpose::Search),
            Action::Filter => {
                self.focus_on(Pane::Tables);
                self.prompt_filter();
            }
            Action::Sql => {
                self.focus_on(Pane::Tables);
                self.prompt(Purpose::Sql);
            }
            Action::MakeTables => {
                self.focus_on(Pane::Tables);
                self.ask(Request::MakeTables);
            }
            Action::ChooseTable => {
                self.focus_on(Pane::Tables);
                self.overlay = Some(Overlay::Tables(List::default()));
            }
            Action::Sort => self.tables.sort(),
            Action::Find => self.prompt(Purpose::Find),
            Action::Found => match self.found {
                Some(_) => self.overlay = Some(Overlay::Found(List::default())),
                None => self.complain("nothing was looked for yet; b does"),
            },
            Action::Focus(pane) => self.focus_on(pane),
            Action::NextPane => self.focus_next(1),
            Action::PreviousPane => self.focus_next(-1),
            Action::Maximise => {
                self.is_maximised = !self.is_maximised;
                self.ask(Request::Look);
            }
            Action::ZoomIn => self.zoom(Some(1)),
            Action::ZoomOut => self.zoom(Some(-1)),
            Action::ZoomWhole => self.zoom(None),
            Action::Again(direction) => self.search_again(direction),
            Action::Follow => self.follow(),
            Action::Space => self.change_space(),
            Action::WatchHere => self.watch_here(),
            Action::Enter => self.enter(),
            _ => match self.movement(action) {
                Some(to) => self.go(to),
                None => self.move_cursor(action),
            },
        }
        Vec::new()
    }

    /// The movement in time that an action is.
    fn movement(&mut self, action: Action) -> Option<Move> {
        Some(match action {
            Action::Step(direction) => Move::Step(direction),
            Action::StepCpu(direction) => Move::StepCpu(direction),
            Action::Over(direction) => Move::Over(direction),
            Action::Out(direction) => Move::Out(direction),
            Action::Write(direction) => Move::Access(direction, self.byte_under_cursor()),
            Action::Execution(direction) => Move::Execution(direction, self.code_cursor()),
            Action::Syscall(direction) => Move::Syscall(direction),
            Action::Visit(direction) => Move::Visit(self.visited.take(direction)?),
            Action::Nudge(direction) => Move::Go(self.nudged(direction)),
            _ => return None,
        })
    }

    fn byte_under_cursor(&self) -> Access {
        let address = self.memory_cursor();
        let is_kernels = (address as i64) < 0;
        let place = match self.window.memory {
            Memory::Physical => Place::Physical(address),
            Memory::Of(root) if !is_kernels => Place::Linear(address, Space::Root(root)),
            Memory::Current if !is_kernels => {
                Place::Linear(address, self.sight.as_ref().map_or(Space::Any, |sight| Space::Root(sight.root)))
            }
            _ => Place::Linear(address, Space::Any),
        };
        Access { place, len: 1, kind: AccessKind::Write }
    }

    /// One column of the time bar away.
    fn nudged(&self, direction: Direction) -> Destination {
        let shown = self.shown();
        let column = ((shown.to - shown.from) / shown.columns.max(1) as u64).max(1);
        let waits = self.work.waiting.iter().rev().find_map(|request| match request {
            Request::Go(Move::Go(Destination::At(moment))) => Some(moment.0),
            _ => None,
        });
        let from = waits.unwrap_or(self.now().0);
        Destination::At(Moment(match direction {
            Direction::Forward => from.saturating_add(column).min(self.end().0),
            Direction::Backward => from.saturating_sub(column),
        }))
    }

    /// Shows a quarter of what is shown, or four times as much, around the current Moment; or everything.
    fn zoom(&mut self, how: Option<i32>) {
        let (shown, end, now) = (self.shown(), self.end().0, self.now().0);
        let length = match how {
            None => end,
            Some(1) => ((shown.to - shown.from) / 4).max(shown.columns as u64).min(end),
            Some(_) => (shown.to - shown.from).saturating_mul(4).min(end),
        };
        self.stretch = (length < end).then(|| around(now, length, end));
        self.ask_lanes();
    }

    /// Has the time bar show the current Moment.
    fn keep_in_view(&mut self) {
        let (now, end) = (self.now().0, self.end().0);
        if let Some((from, to)) = self.stretch.filter(|(from, to)| !(from..=to).contains(&&now)) {
            self.stretch = Some(around(now, to - from, end));
            self.ask_lanes();
        }
    }

    fn ask_lanes(&mut self) {
        self.ask(Request::Lanes(self.shown(), self.watched));
        self.wants_lanes = true;
    }

    fn cancel(&mut self) -> Vec<Effect> {
        if self.overlay.take().is_some() {
            return Vec::new();
        }
        self.message = None;
        self.work.waiting.retain(Request::is_background);
        let runs = self.work.current.as_ref().is_some_and(|(asked, _)| !asked.request.is_background());
        if runs && !self.work.is_cancelling {
            self.work.is_cancelling = true;
            return vec![Effect::Cancel];
        }
        Vec::new()
    }

    fn copy(&mut self, text: String) -> Vec<Effect> {
        self.say(format!("copied {text}"));
        vec![Effect::Yank(text)]
    }

    fn yank(&mut self) -> Vec<Effect> {
        let Some(text) = self.selected_text() else { return Vec::new() };
        self.copy(text)
    }

    /// What `y` copies.
    fn selected_text(&self) -> Option<String> {
        let sight = self.sight.as_ref()?;
        let cursor = self.list(self.focus).cursor;
        Some(match self.focus {
            Pane::Code => format!("{:#x}", self.code_cursor()),
            Pane::Memory => format!("{:#x}", self.memory_cursor()),
            Pane::Registers => format!("{:#x}", sight.registers.rip),
            Pane::Stack => format!("{:#x}", self.stack_target()?),
            Pane::Console => self.console.line(cursor, self.now()),
            Pane::Processes => listed(&sight.processes, cursor).map(|process| process.what.clone())?,
            Pane::Maps => listed(&sight.maps, cursor)?.to_string(),
            Pane::Descriptors => listed(&sight.descriptors, cursor)?.path.clone().ok()?,
            Pane::Tables => self.tables.row_text()?,
        })
    }

    /// What the selected line of the stack pane leads to: a frame's address, or a word's value.
    fn stack_target(&self) -> Option<u64> {
        let sight = self.sight.as_ref()?;
        let cursor = self.list(Pane::Stack).cursor;
        match sight.backtrace.frames.get(cursor) {
            Some(frame) => Some(frame.address),
            None => sight.stack.get(cursor - sight.backtrace.frames.len())?.value,
        }
    }

    fn prompt(&mut self, purpose: Purpose) {
        self.overlay = Some(Overlay::Prompt(purpose, Input::default()));
    }

    fn prompt_filter(&mut self) {
        self.overlay = Some(Overlay::Prompt(Purpose::Filter, Input::new(&self.tables.filter)));
    }

    fn focus_on(&mut self, pane: Pane) {
        self.focus = pane;
        if pane.takes_turns() && (self.layout().pane(pane).is_none() || self.is_maximised) {
            self.tab = pane;
        }
        self.ask(Request::Look);
    }

    fn focus_next(&mut self, distance: isize) {
        let all = Pane::ALL;
        let at = all.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let next = (at + all.len()).saturating_add_signed(distance) % all.len();
        self.focus_on(all[next]);
    }

    /// Back to what the machine does.
    fn follow(&mut self) {
        self.code_at = None;
        self.code_cursor = None;
        self.window = Window { memory: Memory::Current, top: None, cursor: None };
        self.pid = None;
        self.ask(Request::Look);
    }

    /// Shows the writes to the byte under the memory cursor in the time bar, or no more.
    fn watch_here(&mut self) {
        let here = Some(self.byte_under_cursor());
        self.watched = if self.watched == here { None } else { here };
        match self.watched {
            Some(_) => {
                self.say(format!("the lane \"writes\" shows writes to {:#x}; v again ends it", self.memory_cursor()))
            }
            None => self.say("writes are not shown any more"),
        }
        self.ask_lanes();
    }

    /// From virtual to physical addresses and back, at the same byte where that is known.
    fn change_space(&mut self) {
        let memory = match self.window.memory {
            Memory::Physical => Memory::Current,
            _ => Memory::Physical,
        };
        self.window = Window { memory, top: (memory == Memory::Physical).then_some(0), cursor: None };
        self.ask(Request::Look);
    }

    /// Shows memory from an address on.
    fn show_memory(&mut self, memory: Memory, address: u64) {
        self.window = Window { memory, top: Some(address & !0xf), cursor: Some(address) };
        self.focus_on(Pane::Memory);
    }

    /// Shows code at an address.
    fn show_code(&mut self, address: u64) {
        self.code_at = Some(address);
        self.code_cursor = Some(address);
        self.focus_on(Pane::Code);
    }
}

/// A stretch of a length around a Moment.
fn around(now: u64, length: u64, end: u64) -> (u64, u64) {
    let from = now.saturating_sub(length / 2).min(end.saturating_sub(length));
    (from, from.saturating_add(length).min(end))
}

fn listed<T>(list: &Option<Result<Vec<T>, String>>, row: usize) -> Option<&T> {
    list.as_ref()?.as_ref().ok()?.get(row)
}

impl super::model::Visited {
    /// The place to go back to, or on to. It stays in the list until the machine is there.
    fn take(&self, direction: Direction) -> Option<crate::session::Position> {
        match direction {
            Direction::Backward => self.back.last().copied(),
            Direction::Forward => self.ahead.last().copied(),
        }
    }
}

/// The commands whose names have all the words of a text.
pub fn commands(filter: &str) -> Vec<&'static keys::Binding> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let fits = |b: &&keys::Binding| words.iter().all(|w| b.does.to_lowercase().contains(w));
    keys::bindings().filter(fits).collect()
}
