//! The pane with memory: addresses, bytes, text; what has just changed is marked.

use super::super::model::{Model, Pane};
use super::super::theme::Theme;
use super::printable;
use crate::session::Memory;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Title and lines.
pub fn draw(model: &Model, theme: Theme, body: Rect) -> (String, Vec<Line<'static>>) {
    let row_bytes = model.row_bytes() as u64;
    let top = model.memory_top();
    let rows = u64::from(body.height);
    let lines = (0..rows).filter_map(|row| Some(line(model, theme, top.checked_add(row * row_bytes)?, row_bytes)));
    (title(model), lines.collect())
}

fn title(model: &Model) -> String {
    let whose = match (model.window.memory, model.pid) {
        (Memory::Physical, _) => "physical memory".to_owned(),
        (Memory::Current, _) => "memory".to_owned(),
        (Memory::Of(_), Some(pid)) => format!("memory of process {pid}"),
        (Memory::Of(root), None) => format!("memory under {root:#x}"),
    };
    let name = model.sight.as_ref().and_then(|sight| sight.memory_name.as_deref());
    let follows = match (model.window.top, name) {
        (None, _) => "  from the stack pointer on".to_owned(),
        (Some(_), Some(name)) => format!("  {}", printable(name)),
        (Some(_), None) => String::new(),
    };
    format!("{whose}{follows}")
}

fn line(model: &Model, theme: Theme, address: u64, row_bytes: u64) -> Line<'static> {
    let Some(sight) = &model.sight else { return Line::default() };
    let cursor = model.memory_cursor();
    let has_keys = model.focus == Pane::Memory;
    let mut spans = vec![Span::styled(format!("{address:016x} "), theme.faint())];
    let mut text = Vec::new();
    for i in 0..row_bytes {
        let Some(at) = address.checked_add(i) else { break };
        let byte = sight.bytes.at(at);
        let before = model.before.as_ref().filter(|b| b.memory == sight.memory).and_then(|b| b.bytes.at(at));
        let is_changed = matches!((byte, before), (Some(now), Some(before)) if now != before);
        let mut style = if is_changed { theme.changed() } else { Style::new() };
        if at == cursor {
            style = style.patch(if has_keys { theme.selected() } else { theme.selected_elsewhere() });
        }
        let (digits, letter) = match byte {
            Some(Some(byte)) => (format!("{byte:02x}"), letter(byte)),
            Some(None) => ("??".to_owned(), '?'),
            None => ("..".to_owned(), ' '),
        };
        spans.push(Span::styled(digits, style));
        spans.push(Span::raw(" "));
        text.push(Span::styled(letter.to_string(), style));
    }
    spans.extend(text);
    Line::from(spans)
}

fn letter(byte: u8) -> char {
    match byte {
        b' '..=b'~' => byte as char,
        _ => '.',
    }
}
