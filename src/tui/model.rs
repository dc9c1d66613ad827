//! The state of the screen: what was read from the session, what is looked at, what is under way.

use super::console::Console;
use super::lanes::{Lanes, Stretch};
use super::layout::Layout;
use super::prompt::Input;
use super::sight::{Sight, Wish};
use super::tables::Tables;
use super::work::{Asked, Request, Sought};
use crate::moment::Moment;
use crate::session::{Access, Appearance, Mark, Memory, Position};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the key table says what each one shows")]
pub enum Pane {
    Code,
    Registers,
    Memory,
    Stack,
    Console,
    Processes,
    Maps,
    Descriptors,
    Tables,
}

impl Pane {
    /// All, in the order of their digits.
    pub const ALL: [Pane; 9] = [
        Pane::Code,
        Pane::Registers,
        Pane::Memory,
        Pane::Stack,
        Pane::Console,
        Pane::Processes,
        Pane::Maps,
        Pane::Descriptors,
        Pane::Tables,
    ];

    /// What it is called, on its title and after `--pane`.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Code => "code",
            Pane::Registers => "registers",
            Pane::Memory => "memory",
            Pane::Stack => "stack",
            Pane::Console => "console",
            Pane::Processes => "processes",
            Pane::Maps => "maps",
            Pane::Descriptors => "files",
            Pane::Tables => "tables",
        }
    }

    /// True for those that take turns in the lower place of a screen.
    pub fn takes_turns(self) -> bool {
        !matches!(self, Pane::Code | Pane::Registers)
    }
}

/// What is selected in a list, and what is seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The selected row.
    pub cursor: usize,
    /// The first row that is seen.
    pub top: usize,
}

impl List {
    /// Moves the selection; `rows` are seen of `len`.
    pub fn by(&mut self, distance: isize, len: usize, rows: usize) {
        self.to(self.cursor.saturating_add_signed(distance), len, rows);
    }

    /// Selects a row.
    pub fn to(&mut self, row: usize, len: usize, rows: usize) {
        self.cursor = row.min(len.saturating_sub(1));
        let rows = rows.max(1);
        self.top = self.top.min(len.saturating_sub(rows)).min(self.cursor).max((self.cursor + 1).saturating_sub(rows));
    }
}

/// What is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A place in time.
    Goto,
    /// An address or symbol to be shown.
    LookAt,
    /// The name of a bookmark, and a note.
    Mark,
    /// Text to be found in the pane.
    Search,
    /// Something that stood in memory at some time.
    Find,
    /// Conditions for the rows of a table.
    Filter,
    /// A query.
    Sql,
}

/// What lies over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help(List),
    /// The commands whose names have what was typed.
    Palette(Input, List),
    /// A line to be typed.
    Prompt(Purpose, Input),
    /// The bookmarks.
    Marks(List),
    /// The tables.
    Tables(List),
    /// What was found in memory.
    Found(List),
}

/// A sentence at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sentence.
    pub text: String,
    /// Something did not work.
    pub is_trouble: bool,
}

/// Places that were left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    /// Behind: the last one was left last.
    pub back: Vec<Position>,
    /// Ahead: the last one comes next.
    pub ahead: Vec<Position>,
    /// The last movement was a step: a walk of many steps is one place.
    pub is_walking: bool,
}

/// What is under way.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The request that runs, and for how many ticks.
    pub current: Option<(Asked, u64)>,
    /// Those that wait.
    pub waiting: VecDeque<Request>,
    /// Those that were asked for so far.
    pub generation: u64,
    /// The one that runs was cancelled.
    pub is_cancelling: bool,
}

/// What memory is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub memory: Memory,
    /// The first address that is seen; `None` follows the stack pointer.
    pub top: Option<u64>,
    /// The byte that commands are about; `None` is the first one seen.
    pub cursor: Option<u64>,
}

/// The state.
pub struct Model {
    /// Columns and rows.
    pub size: (u16, u16),
    /// The recording's name.
    pub name: String,
    /// What was read last.
    pub sight: Option<Box<Sight>>,
    /// What was read last at another Position: what differs has just changed.
    pub before: Option<Box<Sight>>,
    /// What was printed.
    pub console: Arc<Console>,
    /// Bookmarks.
    pub marks: Vec<Mark>,
    /// Which pane takes the keys.
    pub focus: Pane,
    /// Which one is in the lower place.
    pub tab: Pane,
    /// It is alone.
    pub is_maximised: bool,
    /// Code is shown around this address; `None` is the next instruction.
    pub code_at: Option<u64>,
    /// The instruction that commands are about; `None` is the next one.
    pub code_cursor: Option<u64>,
    /// Memory.
    pub window: Window,
    /// The process that is looked at; `None` is the one that runs.
    pub pid: Option<u32>,
    /// The tables' pane.
    pub tables: Tables,
    /// Selections of the panes that are lists.
    pub lists: BTreeMap<Pane, List>,
    /// What the time bar shows: first and last Moment; `None` is all.
    pub stretch: Option<(u64, u64)>,
    /// What happened in it.
    pub lanes: Option<Lanes>,
    /// The bytes whose writes have a lane.
    pub watched: Option<Access>,
    /// The tables are to be asked for lanes.
    pub wants_lanes: bool,
    /// Places that were left.
    pub visited: Visited,
    /// What is under way.
    pub work: Work,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// At the bottom.
    pub message: Option<Message>,
    /// What was searched last, in which pane.
    pub sought: Option<(Pane, String)>,
    /// What was found in memory, and what was looked for.
    pub found: Option<(Sought, Vec<Appearance>)>,
    /// How far the request that runs has come, and how much it has found.
    pub progress: (Moment, u64),
    /// How far the index is, while it is made.
    pub indexed: Option<Moment>,
    /// Ticks since the start.
    pub ticks: u64,
    /// The user wants to leave.
    pub is_over: bool,
}

/// Memory and code are read with this many times what is seen.
const MARGIN: usize = 3;
/// Words of the stack that are read.
const STACK_WORDS: usize = 256;

impl Model {
    /// In front of the first answer.
    pub fn new(name: String, size: (u16, u16)) -> Model {
        Model {
            size,
            name,
            sight: None,
            before: None,
            console: Arc::default(),
            marks: Vec::new(),
            focus: Pane::Code,
            tab: Pane::Memory,
            is_maximised: false,
            code_at: None,
            code_cursor: None,
            window: Window { memory: Memory::Current, top: None, cursor: None },
            pid: None,
            tables: Tables::default(),
            lists: BTreeMap::new(),
            stretch: None,
            lanes: None,
            watched: None,
            wants_lanes: false,
            visited: Visited::default(),
            work: Work::default(),
            overlay: None,
            message: None,
            sought: None,
            found: None,
            progress: (Moment::ZERO, 0),
            indexed: None,
            ticks: 0,
            is_over: false,
        }
    }

    /// Where everything is.
    pub fn layout(&self) -> Layout {
        Layout::of(self.size, self.focus, self.tab, self.is_maximised)
    }

    /// What the panes need to be read.
    pub fn wish(&self) -> Wish {
        let layout = self.layout();
        let sees = |pane| layout.pane(pane).is_some();
        let memory_rows = layout.rows(Pane::Memory);
        let row = self.row_bytes();
        // A page above what is seen, too, so that scrolling has something to show at once.
        let margin = (memory_rows * row) as u64;
        Wish {
            code: self.code_at,
            code_lines: (layout.rows(Pane::Code) * 2, layout.rows(Pane::Code) * 2),
            memory: self.window.memory,
            memory_from: self.window.top.map(|top| top.saturating_sub(margin)),
            memory_len: if sees(Pane::Memory) { memory_rows * row * MARGIN } else { 0 },
            stack_words: if sees(Pane::Stack) { STACK_WORDS } else { 0 },
            pid: self.pid,
            processes: sees(Pane::Processes),
            maps: sees(Pane::Maps),
            descriptors: sees(Pane::Descriptors),
        }
    }

    /// Rows of a table that are seen, below the names of its columns.
    pub fn table_rows(&self) -> usize {
        self.layout().rows(Pane::Tables).saturating_sub(1)
    }

    /// Bytes in a row of the memory pane.
    pub fn row_bytes(&self) -> usize {
        // Address, two digits and a space a byte, and the text.
        let wide = 16 + 1 + 16 * 3 + 1 + 16;
        match self.layout().pane(Pane::Memory) {
            Some(rect) if usize::from(rect.width) >= wide => 16,
            _ => 8,
        }
    }

    /// The first address seen in the memory pane.
    pub fn memory_top(&self) -> u64 {
        let follows = || self.sight.as_ref().map_or(0, |sight| sight.registers.general[4]) & !0xf;
        self.window.top.unwrap_or_else(follows)
    }

    /// The byte under the cursor of the memory pane.
    pub fn memory_cursor(&self) -> u64 {
        self.window.cursor.unwrap_or_else(|| self.memory_top())
    }

    /// The instruction under the cursor of the code pane.
    pub fn code_cursor(&self) -> u64 {
        self.code_cursor.or_else(|| self.sight.as_ref().map(|sight| sight.registers.linear_rip())).unwrap_or(0)
    }

    /// The selection of a pane.
    pub fn list(&self, pane: Pane) -> List {
        self.lists.get(&pane).copied().unwrap_or_default()
    }

    /// The current Moment.
    pub fn now(&self) -> Moment {
        self.sight.as_ref().map_or(Moment::ZERO, |sight| sight.moments.position.moment)
    }

    /// The last Moment.
    pub fn end(&self) -> Moment {
        self.sight.as_ref().map_or(Moment::ZERO, |sight| sight.moments.end)
    }

    /// What the time bar shows, in columns.
    pub fn shown(&self) -> Stretch {
        let (from, to) = self.stretch.unwrap_or((0, self.end().0));
        Stretch { from, to, columns: self.layout().columns() }
    }

    /// Rows that a pane has to show.
    pub fn len(&self, pane: Pane) -> usize {
        let Some(sight) = &self.sight else { return 0 };
        match pane {
            Pane::Code => sight.code.as_ref().map_or(0, Vec::len),
            Pane::Stack => sight.backtrace.frames.len() + sight.stack.len(),
            Pane::Console => self.console.count(self.now()),
            Pane::Processes => told(&sight.processes),
            Pane::Maps => told(&sight.maps),
            Pane::Descriptors => told(&sight.descriptors),
            Pane::Registers => super::view::registers::count(self),
            Pane::Tables => self.tables.len(),
            Pane::Memory => 0,
        }
    }
}

fn told<T>(list: &Option<Result<Vec<T>, String>>) -> usize {
    list.as_ref().and_then(|told| told.as_ref().ok()).map_or(0, Vec::len)
}
