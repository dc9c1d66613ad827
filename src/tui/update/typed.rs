//! Keys: to the line that is typed, to what lies over the panes, or to the table of keys.

use super::super::keys;
use super::super::model::{List, Model, Overlay, Pane, Purpose};
use super::super::rows::Source;
use super::super::work::{Move, Request, Sought};
use super::{Effect, commands};
use crate::session::{Destination, Direction, Memory};
use crossterm::event::KeyEvent;

/// A key was pressed.
pub fn key(model: &mut Model, key: &KeyEvent) -> Vec<Effect> {
    let name = keys::name(key);
    if let Some(overlay) = model.overlay.take() {
        return match name.as_str() {
            "esc" | "ctrl-c" => Vec::new(),
            "enter" => enter(model, overlay),
            _ => in_overlay(model, overlay, &name, key),
        };
    }
    match keys::action(&name) {
        Some(action) => {
            // What was said was about something else.
            model.message = None;
            model.act(action)
        }
        None => Vec::new(),
    }
}

/// Text came from the clipboard.
pub fn paste(model: &mut Model, text: &str) {
    if let Some(Overlay::Prompt(_, input) | Overlay::Palette(input, _)) = &mut model.overlay {
        input.insert(text);
    }
}

/// Enter, in what lies over the panes; it is closed.
fn enter(model: &mut Model, overlay: Overlay) -> Vec<Effect> {
    match overlay {
        Overlay::Help(_) => {}
        Overlay::Palette(input, list) => {
            if let Some(command) = commands(&input.text()).get(list.cursor) {
                return model.act(command.action);
            }
        }
        Overlay::Marks(list) => {
            if let Some(mark) = model.marks.get(list.cursor) {
                let position = mark.position;
                model.go(Move::Visit(position));
            }
        }
        Overlay::Found(list) => {
            let found = model.found.as_ref().and_then(|(_, all)| all.get(list.cursor));
            let Some((moment, physical)) = found.map(|one| (one.moment, one.physical)) else { return Vec::new() };
            model.go(Move::Go(Destination::At(moment)));
            model.show_memory(Memory::Physical, physical);
        }
        // An Enter ahead of the list leaves it open.
        Overlay::Tables(list) if model.tables.known.is_none() => model.overlay = Some(Overlay::Tables(list)),
        Overlay::Tables(list) => {
            if let Some(info) = model.tables.all().get(list.cursor) {
                model.tables.show(Source::Table(info.name.clone()));
            }
        }
        Overlay::Prompt(purpose, input) => model.submit(purpose, input.text().trim()),
    }
    Vec::new()
}

fn in_overlay(model: &mut Model, overlay: Overlay, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let page = usize::from(model.size.1.saturating_sub(4));
    let distance: isize = match name {
        "up" => -1,
        "down" => 1,
        "pageup" => -(page as isize),
        "pagedown" => page as isize,
        _ => 0,
    };
    model.overlay = match overlay {
        Overlay::Help(mut list) => {
            if matches!(name, "q" | "?") {
                return Vec::new();
            }
            list.by(distance, keys::LINES, 1);
            Some(Overlay::Help(list))
        }
        Overlay::Palette(mut input, mut list) => {
            if distance != 0 {
                list.by(distance, commands(&input.text()).len(), page);
            } else if input.key(key) {
                list = List::default();
            }
            Some(Overlay::Palette(input, list))
        }
        Overlay::Marks(mut list) => {
            if let ("d" | "delete", Some(mark)) = (name, model.marks.get(list.cursor)) {
                model.work.waiting.push_back(Request::Unmark(mark.name.clone()));
            }
            let distance = match name {
                "j" => 1,
                "k" => -1,
                _ => distance,
            };
            list.by(distance, model.marks.len(), page);
            Some(Overlay::Marks(list))
        }
        Overlay::Found(mut list) => {
            list.by(distance, model.found.as_ref().map_or(0, |(_, all)| all.len()), page);
            Some(Overlay::Found(list))
        }
        Overlay::Tables(mut list) => {
            let all = model.tables.all();
            list.by(distance, all.len(), page);
            // A letter leads to the next table that begins with it.
            let begins = |i: &usize| all.get(*i).is_some_and(|info| info.name.starts_with(name));
            if let Some(i) = (list.cursor + 1..all.len()).chain(0..all.len()).find(begins).filter(|_| distance == 0) {
                list.to(i, all.len(), page);
            }
            Some(Overlay::Tables(list))
        }
        Overlay::Prompt(purpose, mut input) => {
            // A table is filtered while the filter is typed.
            if input.key(key) && purpose == Purpose::Filter && input.text() != model.tables.filter {
                model.tables.filter(&input.text());
            }
            Some(Overlay::Prompt(purpose, input))
        }
    };
    Vec::new()
}

impl Model {
    /// A line was typed.
    fn submit(&mut self, purpose: Purpose, text: &str) {
        if text.is_empty() {
            return;
        }
        match purpose {
            Purpose::Goto => self.goto(text),
            Purpose::LookAt => match address(text) {
                Some(address) => self.show_address(address),
                None => self.ask(Request::Resolve(text.to_owned())),
            },
            Purpose::Mark => {
                let (name, note) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                self.ask(Request::Mark { name: name.to_owned(), note: note.trim().to_owned() });
                self.say(format!("bookmark {name}; ' lists all"));
            }
            Purpose::Find => match Sought::read(text) {
                Ok(sought) => self.ask(Request::Find(sought)),
                Err(why) => self.complain(why),
            },
            Purpose::Filter => {}
            Purpose::Sql => self.tables.show(Source::Sql(text.to_owned())),
            Purpose::Search => {
                self.sought = Some((self.focus, text.to_owned()));
                self.search_again(Direction::Forward);
            }
        }
    }

    fn goto(&mut self, text: &str) {
        if let Some(address) = address(text) {
            return self.go(Move::Execution(Direction::Forward, address));
        }
        match text.parse::<Destination>() {
            Ok(Destination::Mark(name)) => match self.marks.iter().find(|mark| mark.name == name) {
                Some(mark) => self.go(Move::Visit(mark.position)),
                None => self.go(Move::Symbol(name)),
            },
            Ok(destination) => self.go(Move::Go(destination)),
            // Symbols have characters that bookmarks have not.
            Err(_) if text.starts_with('_') => self.go(Move::Symbol(text.to_owned())),
            Err(e) => self.complain(e.to_string()),
        }
    }

    /// The next place in the pane that was searched, from the selected one on.
    pub(super) fn search_again(&mut self, direction: Direction) {
        let Some((pane, text)) = self.sought.clone() else { return self.complain("nothing was searched yet; / does") };
        if pane != self.focus {
            self.focus_on(pane);
        }
        let found = match pane {
            Pane::Code => self.search_code(&text, direction),
            pane => self.search_list(pane, &text, direction),
        };
        if !found {
            self.complain(format!("\"{text}\" is not {} in this pane", way(direction)));
        }
    }

    fn search_code(&mut self, text: &str, direction: Direction) -> bool {
        let cursor = self.code_cursor();
        let Some(Ok(lines)) = self.sight.as_ref().map(|sight| &sight.code) else { return false };
        let fits = |address: u64| match direction {
            Direction::Forward => address > cursor,
            Direction::Backward => address < cursor,
        };
        let has = |line: &super::super::sight::CodeLine| {
            let names = [&line.label, &line.target];
            contains(&line.line.text, text) || names.into_iter().flatten().any(|name| contains(name, text))
        };
        let mut hits = lines.iter().filter(|line| fits(line.line.address) && has(line)).map(|line| line.line.address);
        let hit = match direction {
            Direction::Forward => hits.next(),
            Direction::Backward => hits.next_back(),
        };
        if let Some(address) = hit {
            self.code_cursor = Some(address);
            self.code_at = Some(address);
            self.ask(Request::Look);
        }
        hit.is_some()
    }

    fn search_list(&mut self, pane: Pane, text: &str, direction: Direction) -> bool {
        let (cursor, len, rows) = (self.list(pane).cursor, self.len(pane), self.layout().rows(pane));
        let has = |row: &usize| contains(&super::super::view::list_line(self, pane, *row), text);
        let hit = match direction {
            Direction::Forward => (cursor + 1..len).find(has),
            Direction::Backward => (0..cursor).rfind(has),
        };
        if let Some(row) = hit {
            self.lists.entry(pane).or_default().to(row, len, rows);
        }
        hit.is_some()
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "further on",
        Direction::Backward => "further up",
    }
}

/// Without regard to capital letters, if there are none in what is sought.
fn contains(text: &str, sought: &str) -> bool {
    match sought.chars().any(char::is_uppercase) {
        true => text.contains(sought),
        false => text.to_lowercase().contains(sought),
    }
}

/// A hexadecimal number.
fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
