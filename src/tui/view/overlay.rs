//! What lies over the panes: help, palette, prompts, bookmarks.

use super::super::keys::{Binding, TABLE};
use super::super::layout::Layout;
use super::super::model::{List, Model, Overlay, Purpose};
use super::super::prompt::Input;
use super::super::theme::Theme;
use super::super::update::commands;
use super::printable;
use crate::session::Appearance;
use crate::text;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// Draws it, if there is one.
pub fn draw(model: &Model, theme: Theme, layout: &Layout, frame: &mut Frame) {
    match &model.overlay {
        None => {}
        Some(Overlay::Help(list)) => help(theme, *list, frame),
        Some(Overlay::Palette(input, list)) => palette(theme, input, *list, frame),
        Some(Overlay::Prompt(purpose, input)) => prompt(*purpose, input, theme, layout.footer, frame),
        Some(Overlay::Found(list)) => found(model, theme, *list, frame),
        Some(Overlay::Tables(list)) => tables(model, theme, *list, frame),
        Some(Overlay::Marks(list)) => marks(model, theme, *list, frame),
    }
}

/// A box in the middle; its inner place.
fn window(frame: &mut Frame, title: String, hint: &'static str, (width, height): (u16, u16)) -> Rect {
    let area = frame.area();
    let (width, height) = (width.min(area.width), height.min(area.height));
    let rect = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    let block = Block::bordered().title(format!(" {title} ")).title_bottom(format!(" {hint} "));
    let inner = block.inner(rect);
    frame.render_widget(Clear, rect);
    frame.render_widget(block, rect);
    inner
}

fn keys(binding: &Binding) -> String {
    binding.keys.join(" ")
}

/// Columns of the keys.
const KEYS: usize = 12;

fn help(theme: Theme, list: List, frame: &mut Frame) {
    let mut lines = Vec::new();
    for group in TABLE {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(group.title, theme.name()));
        lines.extend(group.bindings.iter().map(|binding| {
            let keys = Span::styled(format!("  {:<KEYS$}", keys(binding)), theme.key());
            Line::from(vec![keys, Span::raw(binding.does)])
        }));
    }
    let size = (frame.area().width.min(84), frame.area().height);
    let inner = window(frame, "keys".to_owned(), "up and down scroll, esc closes", size);
    let top = list.cursor.min(lines.len().saturating_sub(usize::from(inner.height)));
    frame.render_widget(Paragraph::new(lines.split_off(top)), inner);
}

fn palette(theme: Theme, input: &Input, list: List, frame: &mut Frame) {
    let commands = commands(&input.text());
    let size = (frame.area().width.min(84), frame.area().height.saturating_sub(4));
    let inner = window(frame, "commands".to_owned(), "type to filter, enter does it, esc closes", size);
    frame.render_widget(Line::from(vec![Span::styled(": ", theme.key()), Span::raw(input.text())]), inner);
    frame.set_cursor_position(Position { x: inner.x + 2 + input.cursor() as u16, y: inner.y });
    let rows = usize::from(inner.height.saturating_sub(1));
    let top = (list.cursor + 1).saturating_sub(rows);
    let lines: Vec<Line> = commands
        .iter()
        .enumerate()
        .skip(top)
        .take(rows)
        .map(|(i, binding)| {
            let style = if i == list.cursor { theme.selected() } else { Default::default() };
            let width = usize::from(inner.width).saturating_sub(KEYS);
            Line::styled(format!("{:<width$}{:>KEYS$}", binding.does, keys(binding)), style)
        })
        .collect();
    frame
        .render_widget(Paragraph::new(lines), Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner });
}

fn prompt(purpose: Purpose, input: &Input, theme: Theme, rect: Rect, frame: &mut Frame) {
    let (label, hint) = match purpose {
        Purpose::Goto => ("go to", "number, +N, -N, 50%, 1.5s, end, bookmark, symbol, 0xADDRESS"),
        Purpose::LookAt => ("show", "0xADDRESS or symbol"),
        Purpose::Mark => ("bookmark", "name, then a note"),
        Purpose::Search => ("search", "text"),
        Purpose::Find => ("find in all memory at all times", "text, hex: de ad be ef, /expression/"),
        Purpose::Filter => ("filter", "words, column=value, column>number, column~text"),
        Purpose::Sql => ("SQL", "SELECT ... FROM ..."),
    };
    let hint = if input.text().is_empty() { hint } else { "" };
    frame.render_widget(Clear, rect);
    let spans = vec![
        Span::styled(format!(" {label}: "), theme.key()),
        Span::raw(input.text()),
        Span::styled(hint, theme.faint()),
    ];
    let x = rect.x + label.chars().count() as u16 + 3 + input.cursor() as u16;
    frame.render_widget(Line::from(spans), rect);
    frame.set_cursor_position(Position { x: x.min(rect.right().saturating_sub(1)), y: rect.y });
}

fn marks(model: &Model, theme: Theme, list: List, frame: &mut Frame) {
    let height = (model.marks.len() as u16).saturating_add(2).clamp(5, frame.area().height.saturating_sub(4));
    let inner = window(frame, "bookmarks".to_owned(), "enter goes there, d forgets it, esc closes", (76, height));
    if model.marks.is_empty() {
        return frame.render_widget(Paragraph::new("none yet: m makes one of the place where you are"), inner);
    }
    let now = model.sight.as_ref().map(|sight| sight.moments.position);
    let top = (list.cursor + 1).saturating_sub(usize::from(inner.height));
    let lines: Vec<Line> = model
        .marks
        .iter()
        .enumerate()
        .skip(top)
        .map(|(i, mark)| {
            let style = if i == list.cursor { theme.selected() } else { Default::default() };
            let here = if Some(mark.position) == now { '>' } else { ' ' };
            let moment = text::moment(mark.position.moment);
            let note = printable(&mark.note);
            let text = format!("{here}{moment:>18}  {:<16} {note}", mark.name);
            Line::styled(format!("{text:<width$}", width = usize::from(inner.width)), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn tables(model: &Model, theme: Theme, list: List, frame: &mut Frame) {
    let all = model.tables.all();
    let height = (all.len() as u16).saturating_add(2).clamp(5, frame.area().height.saturating_sub(4));
    let width = frame.area().width.saturating_sub(4);
    let hint = match &model.tables.known {
        None => "reading which there are, esc closes",
        Some(_) if all.is_empty() => "there are none yet: esc closes, then M makes them",
        Some(_) => "enter shows it, esc closes",
    };
    let inner = window(frame, "tables".to_owned(), hint, (width, height));
    let top = (list.cursor + 1).saturating_sub(usize::from(inner.height));
    let lines: Vec<Line> = all
        .iter()
        .enumerate()
        .skip(top)
        .map(|(i, info)| {
            let style = if i == list.cursor { theme.selected() } else { Default::default() };
            let text = format!("{:<14}{:>14} rows  {}", info.name, text::grouped(info.rows), info.about);
            Line::styled(format!("{text:<width$}", width = usize::from(inner.width)), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn found(model: &Model, theme: Theme, list: List, frame: &mut Frame) {
    let Some((sought, all)) = &model.found else { return };
    let area = frame.area();
    let size = (area.width.saturating_sub(4), area.height.saturating_sub(4));
    let title = format!("{} of {} times that \"{sought}\" came to stand", list.cursor + 1, all.len());
    let inner = window(frame, printable(&title), "enter goes there and shows the bytes, esc closes", size);
    let top = (list.cursor + 1).saturating_sub(usize::from(inner.height));
    let line = |(i, one): (usize, &Appearance)| {
        let style = if i == list.cursor { theme.selected() } else { Default::default() };
        let at = match one.linear {
            Some(linear) => format!("{linear:016x}"),
            None => format!("physical {:x}", one.physical),
        };
        let by = match (&one.symbol, one.rip) {
            (Some(symbol), _) => symbol.clone(),
            (None, Some(rip)) => format!("{rip:#x}"),
            (None, None) => "the loader".to_owned(),
        };
        let who = one.task.as_ref().map_or_else(String::new, |task| format!("{} {}", task.comm, task.pid));
        let text = format!("{:>18}  {at:<16}  {who:<20}  {by}", text::moment(one.moment));
        Line::styled(format!("{:<width$}", printable(&text), width = usize::from(inner.width)), style)
    };
    let rows = usize::from(inner.height);
    let lines: Vec<Line> = all.iter().enumerate().skip(top).take(rows).map(line).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}
