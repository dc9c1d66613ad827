//! The pane with the code: addresses, bytes, instructions, and the names of what they are about.

use super::super::model::{Model, Pane};
use super::super::sight::CodeLine;
use super::super::theme::Theme;
use super::{printable, row_style};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// A row: a label, or an instruction.
enum Row<'a> {
    Label(&'a str),
    Code(&'a CodeLine),
}

/// The rows that are seen.
fn rows(model: &Model, height: usize) -> Vec<Row<'_>> {
    let Some(Ok(lines)) = model.sight.as_ref().map(|sight| &sight.code) else { return Vec::new() };
    let (rip, cursor) = (rip(model), model.code_cursor());
    let anchor = model.code_at.unwrap_or(rip);
    let mut rows = Vec::new();
    let (mut anchor_row, mut cursor_row) = (0, 0);
    for line in lines {
        if let Some(label) = &line.label {
            rows.push(Row::Label(label));
        }
        if line.line.address == anchor {
            anchor_row = rows.len();
        }
        if line.line.address == cursor {
            cursor_row = rows.len();
        }
        rows.push(Row::Code(line));
    }
    // What is about to run stands where something before it is seen, and more behind it.
    let mut top = anchor_row.saturating_sub(height / 3).min(rows.len().saturating_sub(height));
    top = top.min(cursor_row.saturating_sub(1)).max((cursor_row + 1).saturating_sub(height));
    rows.into_iter().skip(top).take(height).collect()
}

fn rip(model: &Model) -> u64 {
    model.sight.as_ref().map_or(0, |sight| sight.registers.linear_rip())
}

/// The address of the instruction in a row of the pane.
pub fn address_at(model: &Model, row: usize) -> Option<u64> {
    match rows(model, model.layout().rows(Pane::Code)).get(row)? {
        Row::Code(line) => Some(line.line.address),
        Row::Label(_) => None,
    }
}

/// From this width on there is room for the bytes.
const ROOM_FOR_BYTES: usize = 74;
/// Columns of the bytes of a usual instruction.
const BYTES: usize = 24;
const TEXT: usize = 34;

/// Title and lines.
pub fn draw(model: &Model, theme: Theme, body: Rect) -> (String, Vec<Line<'static>>) {
    let Some(sight) = &model.sight else { return ("code".to_owned(), Vec::new()) };
    let title = match (&sight.place, model.code_at) {
        (_, Some(at)) => format!("code at {at:#x}"),
        (Some(place), None) => format!("code  {}", printable(place)),
        (None, None) => "code".to_owned(),
    };
    if let Err(why) = &sight.code {
        return (title, vec![Line::styled(why.clone(), theme.faint())]);
    }
    let (rip, cursor, width) = (rip(model), model.code_cursor(), usize::from(body.width));
    let lines = rows(model, usize::from(body.height)).into_iter().map(|row| match row {
        Row::Label(label) => Line::styled(format!("{}:", printable(label)), theme.name()),
        Row::Code(line) => instruction(theme, line, line.line.address == rip, width).style(row_style(
            model,
            theme,
            Pane::Code,
            line.line.address == cursor,
        )),
    });
    (title, lines.collect())
}

fn instruction(theme: Theme, code: &CodeLine, is_next: bool, width: usize) -> Line<'static> {
    let style = if is_next { theme.here() } else { Default::default() };
    let mut spans = vec![
        Span::styled(if is_next { "> " } else { "  " }, style),
        Span::styled(format!("{:016x} ", code.line.address), if is_next { style } else { theme.faint() }),
    ];
    if width >= ROOM_FOR_BYTES {
        let bytes: String = code.line.bytes.iter().map(|b| format!("{b:02x} ")).collect();
        let bytes = match bytes.chars().count() > BYTES {
            true => format!("{}.. ", bytes.chars().take(BYTES - 3).collect::<String>()),
            false => bytes,
        };
        spans.push(Span::styled(format!("{bytes:<width$} ", width = BYTES), theme.faint()));
    }
    let text = &code.line.text;
    match &code.target {
        Some(target) => {
            spans.push(Span::styled(format!("{text:<TEXT$} "), style));
            spans.push(Span::styled(printable(target), theme.name()));
        }
        None => spans.push(Span::styled(text.clone(), style)),
    }
    // On a narrow screen the name matters more than the number that it stands for.
    let used: usize = spans.iter().map(Span::width).sum();
    if let (Some(target), true) = (&code.target, used > width) {
        let mnemonic = text.split_whitespace().next().unwrap_or_default();
        spans.truncate(spans.len() - 2);
        spans.push(Span::styled(format!("{mnemonic} "), style));
        spans.push(Span::styled(printable(target), theme.name()));
    }
    Line::from(spans)
}
