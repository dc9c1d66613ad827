//! The mouse: a click goes where it points, the wheel scrolls a pane or zooms the time bar.

use super::super::keys::Action;
use super::super::layout::LANE_NAME;
use super::super::model::{Model, Pane};
use super::super::work::Move;
use crate::moment::Moment;
use crate::session::Destination;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// Rows that the wheel scrolls.
const WHEEL: usize = 3;

/// Something was done with the mouse.
pub fn mouse(model: &mut Model, event: MouseEvent) {
    let at = Position { x: event.column, y: event.row };
    let layout = model.layout();
    if model.overlay.is_some() {
        return;
    }
    let is_bar = layout.axis.contains(at) || layout.lanes.contains(at);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) if is_bar => {
            let column = usize::from(event.column.saturating_sub(LANE_NAME));
            model.go(Move::Go(Destination::At(Moment(model.shown().moment(column)))));
        }
        MouseEventKind::ScrollUp if is_bar => drop(model.act(Action::ZoomIn)),
        MouseEventKind::ScrollDown if is_bar => drop(model.act(Action::ZoomOut)),
        kind => {
            let Some((pane, rect)) = layout.panes.iter().find(|(_, rect)| rect.contains(at)).copied() else { return };
            match kind {
                MouseEventKind::Down(MouseButton::Left) => {
                    if model.focus != pane {
                        model.focus_on(pane);
                    }
                    if let Some(row) = usize::from(event.row - rect.y).checked_sub(1) {
                        model.point(pane, row, usize::from(event.column - rect.x));
                    }
                }
                MouseEventKind::ScrollUp => model.wheel(pane, Action::Up),
                MouseEventKind::ScrollDown => model.wheel(pane, Action::Down),
                _ => {}
            }
        }
    }
}

impl Model {
    fn wheel(&mut self, pane: Pane, action: Action) {
        let focus = std::mem::replace(&mut self.focus, pane);
        for _ in 0..WHEEL {
            self.move_cursor(action);
        }
        self.focus = focus;
    }

    /// Selects what is in a row of a pane.
    fn point(&mut self, pane: Pane, row: usize, column: usize) {
        match pane {
            Pane::Code => {
                if let Some(address) = super::super::view::code::address_at(self, row) {
                    self.code_cursor = Some(address);
                }
            }
            Pane::Memory => {
                // The address and a space stand in front of the bytes.
                let Some(byte) = column.checked_sub(17).map(|c| c / 3).filter(|b| *b < self.row_bytes()) else {
                    return;
                };
                let offset = (row * self.row_bytes() + byte) as u64;
                self.window.cursor = Some(self.memory_top().saturating_add(offset));
            }
            Pane::Tables => {
                let (len, rows) = (self.tables.len(), self.table_rows());
                // The names of the columns come first.
                let Some(row) = row.checked_sub(1) else { return };
                self.tables.list.to(self.tables.list.top + row, len, rows);
            }
            pane => {
                let (len, rows) = (self.len(pane), self.layout().rows(pane));
                let list = self.lists.entry(pane).or_default();
                list.to(list.top + row, len, rows);
            }
        }
    }
}
