//! Moving the selection inside a pane, and what Enter does there.

use super::super::keys::Action;
use super::super::model::{Model, Pane};
use super::super::work::{Move, Request};
use super::listed;
use crate::moment::Moment;
use crate::session::{Destination, Memory};

/// Rows away, for what moves by rows.
fn rows(action: Action, page: usize) -> isize {
    let page = page.max(1) as isize;
    match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page,
        Action::PageDown => page,
        _ => 0,
    }
}

impl Model {
    /// Moves the selection of the pane that has the keys.
    pub(super) fn move_cursor(&mut self, action: Action) {
        let page = self.layout().rows(self.focus);
        match self.focus {
            Pane::Code => self.move_in_code(rows(action, page)),
            Pane::Memory => self.move_in_memory(action, page),
            Pane::Tables => self.move_in_table(action),
            pane => {
                let len = self.len(pane);
                let list = self.lists.entry(pane).or_default();
                match action {
                    Action::Home => list.to(0, len, page),
                    Action::End => list.to(len, len, page),
                    _ => list.by(rows(action, page), len, page),
                }
            }
        }
    }

    fn move_in_code(&mut self, distance: isize) {
        let cursor = self.code_cursor();
        let Some(Ok(lines)) = self.sight.as_ref().map(|sight| &sight.code) else { return };
        let at = lines.iter().position(|line| line.line.address == cursor);
        let (Some(at), Some(last)) = (at, lines.len().checked_sub(1)) else { return };
        let to = at.saturating_add_signed(distance).min(last);
        let Some(line) = lines.get(to) else { return };
        self.code_cursor = Some(line.line.address);
        // More is read before the end of what was read comes into view.
        let margin = self.layout().rows(Pane::Code);
        if to < margin.min(at) || to + margin > last {
            self.code_at = self.code_cursor;
            self.ask(Request::Look);
        }
    }

    fn move_in_memory(&mut self, action: Action, page: usize) {
        let row = self.row_bytes() as u64;
        let (top, cursor) = (self.memory_top(), self.memory_cursor());
        let page_bytes = row * page.max(1) as u64;
        let to = match action {
            Action::Left => cursor.saturating_sub(1),
            Action::Right => cursor.saturating_add(1),
            Action::Up => cursor.saturating_sub(row),
            Action::Down => cursor.saturating_add(row),
            Action::PageUp => cursor.saturating_sub(page_bytes),
            Action::PageDown => cursor.saturating_add(page_bytes),
            Action::Home => cursor - cursor.wrapping_sub(top) % row,
            Action::End => (cursor - cursor.wrapping_sub(top) % row).saturating_add(row - 1),
            _ => return,
        };
        let to_top = match action {
            Action::PageUp => top.saturating_sub(page_bytes),
            Action::PageDown => top.saturating_add(page_bytes),
            _ if to < top => top.saturating_sub((top - to).div_ceil(row) * row),
            _ if to - top >= page_bytes => top + ((to - top - page_bytes) / row + 1) * row,
            _ => top,
        };
        self.window.cursor = Some(to);
        if to_top != top {
            self.window.top = Some(to_top);
            self.ask(Request::Look);
        }
    }

    fn move_in_table(&mut self, action: Action) {
        let page = self.table_rows();
        let tables = &mut self.tables;
        let (len, columns) = (tables.len(), tables.columns().len());
        match action {
            Action::Left => tables.column = tables.column.saturating_sub(1),
            Action::Right => tables.column = (tables.column + 1).min(columns.saturating_sub(1)),
            Action::Home => tables.list.to(0, len, page),
            Action::End => tables.list.to(len, len, page),
            _ => tables.list.by(rows(action, page), len, page),
        }
    }

    /// What Enter does.
    pub(super) fn enter(&mut self) {
        let cursor = self.list(self.focus).cursor;
        let Some(sight) = &self.sight else { return };
        match self.focus {
            Pane::Code => {
                let at = self.code_cursor();
                let lines = sight.code.as_ref().ok();
                let line = lines.and_then(|lines| lines.iter().find(|line| line.line.address == at));
                match line.and_then(|line| line.line.target) {
                    Some(target) => self.show_code(target),
                    None => self.complain("this instruction names no address to follow"),
                }
            }
            Pane::Stack => match (self.stack_target(), cursor < sight.backtrace.frames.len()) {
                (Some(address), true) => self.show_code(address),
                (Some(address), false) => self.show_memory(Memory::Current, address),
                (None, _) => {}
            },
            Pane::Console => {
                if let Some(moment) = self.console.moment(cursor) {
                    self.go(Move::Go(Destination::At(moment)));
                }
            }
            Pane::Processes => {
                let Some(process) = listed(&sight.processes, cursor) else { return };
                let (pid, root, what) = (process.pid, process.root, process.what.clone());
                self.pid = Some(pid);
                match root {
                    Some(root) => self.window.memory = Memory::Of(root),
                    None => self.window.memory = Memory::Current,
                }
                self.say(format!("memory, map and files are those of {pid} {what} now; f follows the one that runs"));
                self.ask(Request::Look);
            }
            Pane::Maps => {
                let Some(start) = listed(&sight.maps, cursor).map(|mapping| mapping.start) else { return };
                self.show_memory(self.window.memory, start);
            }
            Pane::Tables => match self.tables.moment() {
                Some(moment) => self.go(Move::Go(Destination::At(Moment(moment)))),
                None => self.complain("this row has no Moment to go to: it needs a column named moment"),
            },
            Pane::Registers | Pane::Memory | Pane::Descriptors => {}
        }
    }
}
