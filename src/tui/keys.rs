//! The one table of keys: what handles them, the help and the palette are made of it.

use crate::session::Direction::{self, Backward, Forward};
use crate::tui::model::Pane;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table says what each one does")]
pub enum Action {
    Step(Direction),
    StepCpu(Direction),
    Over(Direction),
    Out(Direction),
    Write(Direction),
    Execution(Direction),
    Syscall(Direction),
    Visit(Direction),
    Goto,
    Nudge(Direction),
    ZoomIn,
    ZoomOut,
    ZoomWhole,
    Mark,
    Marks,
    Focus(Pane),
    NextPane,
    PreviousPane,
    Maximise,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    LookAt,
    Follow,
    Space,
    WatchHere,
    Search,
    Again(Direction),
    Find,
    Found,
    Filter,
    Sort,
    ChooseTable,
    Sql,
    MakeTables,
    Yank,
    YankMoment,
    Help,
    Palette,
    Cancel,
    Quit,
}

/// A row of the table.
pub struct Binding {
    /// The keys, as [`name`] calls them.
    pub keys: &'static [&'static str],
    /// What they do.
    pub action: Action,
    /// The same for people.
    pub does: &'static str,
}

/// Rows that belong together.
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The rows.
    pub bindings: &'static [Binding],
}

const fn b(keys: &'static [&'static str], action: Action, does: &'static str) -> Binding {
    Binding { keys, action, does }
}

/// All keys.
pub const TABLE: &[Group] = &[
    Group {
        title: "Go in time",
        bindings: &[
            b(&["s"], Action::Step(Forward), "next instruction of this program or of the kernel"),
            b(&["S"], Action::Step(Backward), "previous instruction"),
            b(&["n"], Action::Over(Forward), "next instruction, a call as one"),
            b(&["N"], Action::Over(Backward), "previous instruction, a call as one"),
            b(&["o"], Action::Out(Forward), "out of this function"),
            b(&["O"], Action::Out(Backward), "back to where this function was called"),
            b(&["i"], Action::StepCpu(Forward), "next step of the processor, into interrupts and faults"),
            b(&["I"], Action::StepCpu(Backward), "previous step of the processor"),
            b(&["w"], Action::Write(Forward), "next write to the byte under the memory cursor"),
            b(&["W"], Action::Write(Backward), "last write to it: who filled it?"),
            b(&["x"], Action::Execution(Forward), "next time that the marked instruction runs"),
            b(&["X"], Action::Execution(Backward), "last time that it ran"),
            b(&["c"], Action::Syscall(Forward), "next system call of this process"),
            b(&["C"], Action::Syscall(Backward), "previous system call"),
            b(&["g"], Action::Goto, "go to: number, 50%, 1.5s, +N, -N, end, bookmark, symbol, 0xADDRESS"),
            b(&["["], Action::Visit(Backward), "back to the place before"),
            b(&["]"], Action::Visit(Forward), "forward again"),
        ],
    },
    Group {
        title: "Time bar",
        bindings: &[
            b(&[","], Action::Nudge(Backward), "one column back"),
            b(&["."], Action::Nudge(Forward), "one column on"),
            b(&["+", "="], Action::ZoomIn, "zoom in"),
            b(&["-"], Action::ZoomOut, "zoom out"),
            b(&["0"], Action::ZoomWhole, "the whole recording"),
        ],
    },
    Group {
        title: "Bookmarks",
        bindings: &[b(&["m"], Action::Mark, "bookmark this Moment"), b(&["'"], Action::Marks, "all bookmarks")],
    },
    Group {
        title: "Panes",
        bindings: &[
            b(&["tab"], Action::NextPane, "next pane"),
            b(&["shift-tab"], Action::PreviousPane, "previous pane"),
            b(&["z"], Action::Maximise, "this pane alone, or all again"),
            b(&["1"], Action::Focus(Pane::Code), "code"),
            b(&["2"], Action::Focus(Pane::Registers), "registers"),
            b(&["3"], Action::Focus(Pane::Memory), "memory"),
            b(&["4"], Action::Focus(Pane::Stack), "stack and backtrace"),
            b(&["5"], Action::Focus(Pane::Console), "console as it stood"),
            b(&["6"], Action::Focus(Pane::Processes), "processes"),
            b(&["7"], Action::Focus(Pane::Maps), "memory map of the process"),
            b(&["8"], Action::Focus(Pane::Descriptors), "its open files and sockets"),
            b(&["9", "t"], Action::Focus(Pane::Tables), "tables of what happened"),
        ],
    },
    Group {
        title: "In a pane",
        bindings: &[
            b(&["up", "k"], Action::Up, "up"),
            b(&["down", "j"], Action::Down, "down"),
            b(&["left", "h"], Action::Left, "left"),
            b(&["right", "l"], Action::Right, "right"),
            b(&["pageup"], Action::PageUp, "a page up"),
            b(&["pagedown", "space"], Action::PageDown, "a page down"),
            b(&["home"], Action::Home, "to the top"),
            b(&["end"], Action::End, "to the bottom"),
            b(&["enter"], Action::Enter, "follow: the call, the address, the line, the row, the process"),
            b(&["@"], Action::LookAt, "show an address or symbol, without going in time"),
            b(&["f"], Action::Follow, "back to the next instruction, the stack, the process that runs"),
            b(&["p"], Action::Space, "memory by virtual or by physical address"),
            b(&["v"], Action::WatchHere, "show the writes to this byte in the time bar"),
            b(&["/"], Action::Search, "search in this pane"),
            b(&["}"], Action::Again(Forward), "next place found"),
            b(&["{"], Action::Again(Backward), "previous place found"),
            b(&["y"], Action::Yank, "copy the address, line or row"),
            b(&["Y"], Action::YankMoment, "copy the Moment"),
        ],
    },
    Group {
        title: "Everywhere",
        bindings: &[
            b(&["b"], Action::Find, "find text, hex: bytes or /expression/ in all memory at all times"),
            b(&["B"], Action::Found, "what was found"),
        ],
    },
    Group {
        title: "Tables",
        bindings: &[
            b(&["T"], Action::ChooseTable, "choose a table"),
            b(&["F"], Action::Filter, "filter its rows: words, column=value, column>number, column~text"),
            b(&[">"], Action::Sort, "sort by the marked column, the other way round, by time again"),
            b(&["Q"], Action::Sql, "ask in SQL"),
            b(&["M"], Action::MakeTables, "make the tables that are missing, which replays the recording"),
        ],
    },
    Group {
        title: "Everything else",
        bindings: &[
            b(&["?", "f1"], Action::Help, "these keys"),
            b(&[":", "ctrl-p"], Action::Palette, "all commands, by name"),
            b(&["esc", "ctrl-c"], Action::Cancel, "cancel what runs, close what is open"),
            b(&["q"], Action::Quit, "leave"),
        ],
    },
];

/// Lines that the table takes as help: a title and an empty line for each group.
pub const LINES: usize = {
    let (mut lines, mut group) = (0, 0);
    while group < TABLE.len() {
        lines += TABLE[group].bindings.len() + 2;
        group += 1;
    }
    lines
};

/// All rows.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    TABLE.iter().flat_map(|group| group.bindings)
}

/// What a key does.
pub fn action(key: &str) -> Option<Action> {
    bindings().find(|b| b.keys.contains(&key)).map(|b| b.action)
}

/// What a key is called in the table: the character, or a word in small letters, with `ctrl-` or `shift-` in front.
pub fn name(key: &KeyEvent) -> String {
    let word = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => return format!("ctrl-{c}"),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::ALT) => return format!("alt-{c}"),
        KeyCode::Char(c) => return c.to_string(),
        KeyCode::BackTab => return "shift-tab".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        KeyCode::F(n) => format!("f{n}"),
        other => format!("{other:?}").to_lowercase(),
    };
    let shift = if key.modifiers.contains(KeyModifiers::SHIFT) { "shift-" } else { "" };
    format!("{shift}{word}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_does_two_things_and_no_action_comes_twice() {
        let keys: Vec<&str> = bindings().flat_map(|b| b.keys.iter().copied()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        let actions: BTreeSet<String> = bindings().map(|b| format!("{:?}", b.action)).collect();
        assert_eq!(actions.len(), bindings().count());
    }

    #[test]
    fn keys_are_called_as_the_table_calls_them() {
        let named = |code, modifiers| name(&KeyEvent::new(code, modifiers));
        assert_eq!(named(KeyCode::Char('S'), KeyModifiers::SHIFT), "S");
        assert_eq!(named(KeyCode::Char('c'), KeyModifiers::CONTROL), "ctrl-c");
        assert_eq!(named(KeyCode::BackTab, KeyModifiers::SHIFT), "shift-tab");
        assert_eq!(named(KeyCode::Esc, KeyModifiers::NONE), "esc");
        assert_eq!(named(KeyCode::F(1), KeyModifiers::NONE), "f1");
        assert_eq!(named(KeyCode::Char(' '), KeyModifiers::NONE), "space");
    }
}
