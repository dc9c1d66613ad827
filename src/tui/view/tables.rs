//! The pane with a table: names of columns, rows, what is selected, sorted and filtered.

use super::super::model::{Model, Pane};
use super::super::rows::{Cell, Page, Source};
use super::super::theme::Theme;
use super::{printable, row_style};
use crate::text::grouped;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Columns of the screen that a column of a table may take.
const WIDEST: usize = 48;

/// Title and lines.
pub fn draw(model: &Model, theme: Theme, body: Rect) -> (String, Vec<Line<'static>>) {
    let tables = &model.tables;
    let title = title(model);
    let why = match (&tables.known, &tables.trouble) {
        (None, _) => Some("reading ..."),
        (Some(Err(why)), _) => Some(why.as_str()),
        (_, Some(why)) => Some(why.as_str()),
        _ => None,
    };
    if let Some(why) = why {
        return (title, wrapped(why, usize::from(body.width)));
    }
    let Some(page) = &tables.page else { return (title, vec![Line::raw("reading ...")]) };
    let widths = widths(page, tables.list.top as u64, usize::from(body.height));
    let first = first_column(&widths, tables.column, usize::from(body.width));
    let mut lines = vec![names(model, theme, page, &widths, first)];
    let seen = tables.list.top..(tables.list.top + usize::from(body.height).saturating_sub(1)).min(tables.len());
    lines.extend(seen.map(|number| {
        let text = page.row(number as u64).map_or_else(|| "...".to_owned(), |row| line(page, row, &widths, first));
        let text = format!("{text:<width$}", width = usize::from(body.width));
        Line::from(text).style(row_style(model, theme, Pane::Tables, number == tables.list.cursor))
    }));
    if tables.len() == 0 && !tables.is_waiting {
        lines.push(Line::styled("no rows", theme.faint()));
    }
    (title, lines)
}

fn title(model: &Model) -> String {
    let tables = &model.tables;
    let name = match &tables.source {
        Some(Source::Table(name)) => name.clone(),
        Some(Source::Sql(_)) => "answer".to_owned(),
        None => return "tables".to_owned(),
    };
    let rows = match tables.count {
        Some(0) => "no rows".to_owned(),
        Some(count) => format!("{} of {}", grouped(tables.list.cursor as u64 + 1), grouped(count)),
        None => format!("{} of ...", grouped(tables.list.cursor as u64 + 1)),
    };
    let filter = if tables.filter.is_empty() { String::new() } else { format!("  with {}", tables.filter) };
    let sort = match &tables.sort {
        Some((column, true)) => format!("  by {column}, largest first"),
        Some((column, false)) => format!("  by {column}"),
        None => String::new(),
    };
    printable(&format!("{name}  {rows}{filter}{sort}"))
}

fn wrapped(text: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one from the start");
        if last.chars().count() + word.chars().count() + 1 > width && !last.is_empty() {
            lines.push(word.to_owned());
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(word);
        }
    }
    lines.into_iter().map(|line| Line::raw(printable(&line))).collect()
}

/// Wide enough for the name and for what is seen.
fn widths(page: &Page, top: u64, rows: usize) -> Vec<usize> {
    let of = |(i, column): (usize, &super::super::rows::Column)| {
        let seen = (top..top + rows as u64).filter_map(|number| page.row(number));
        let widest = seen.map(|row| page.text(row, i).chars().count()).max().unwrap_or(0);
        widest.max(column.name.chars().count()).min(WIDEST)
    };
    page.columns.iter().enumerate().map(of).collect()
}

/// The first column that is seen, so that the selected one is.
fn first_column(widths: &[usize], selected: usize, room: usize) -> usize {
    let ends = |first: usize| widths.iter().skip(first).take(selected + 1 - first).map(|w| w + 2).sum::<usize>();
    (0..selected).find(|&first| ends(first) <= room).unwrap_or(selected)
}

fn names(model: &Model, theme: Theme, page: &Page, widths: &[usize], first: usize) -> Line<'static> {
    let columns = page.columns.iter().zip(widths).enumerate().skip(first);
    let spans = columns.flat_map(|(i, (column, width))| {
        let text =
            if is_right(page, i) { format!("{:>width$}", column.name) } else { format!("{:<width$}", column.name) };
        let is_selected = i == model.tables.column && model.focus == Pane::Tables;
        let style = if is_selected { theme.selected() } else { theme.name() };
        [Span::styled(text, style), Span::raw("  ")]
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn line(page: &Page, row: &[Cell], widths: &[usize], first: usize) -> String {
    let cells = widths.iter().enumerate().skip(first).map(|(i, width)| {
        let text: String = printable(&page.text(row, i)).chars().take(*width).collect();
        if is_right(page, i) { format!("{text:>width$}") } else { format!("{text:<width$}") }
    });
    cells.collect::<Vec<_>>().join("  ")
}

fn is_right(page: &Page, column: usize) -> bool {
    page.columns.get(column).is_some_and(|column| column.is_number)
}
