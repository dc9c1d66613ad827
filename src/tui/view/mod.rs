//! Drawing: a function of the state that changes nothing.

mod bar;
pub mod code;
mod lists;
mod memory;
mod overlay;
pub mod registers;
mod tables;

use super::model::{Model, Pane};
use super::theme::Theme;
pub use lists::list_line;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// The smallest screen that anything can be shown on.
const SMALLEST: (u16, u16) = (60, 16);

/// Draws the screen.
pub fn view(model: &Model, theme: Theme, frame: &mut Frame) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("at least {} columns and {} rows, please", SMALLEST.0, SMALLEST.1);
        return frame.render_widget(Paragraph::new(text), area);
    }
    let layout = model.layout();
    bar::draw(model, theme, &layout, frame);
    for (pane, rect) in &layout.panes {
        draw_pane(model, theme, *pane, *rect, frame);
    }
    frame.render_widget(footer(model, theme), layout.footer);
    overlay::draw(model, theme, &layout, frame);
}

fn draw_pane(model: &Model, theme: Theme, pane: Pane, rect: Rect, frame: &mut Frame) {
    let [title, body] = split_title(rect);
    let (name, lines) = match pane {
        Pane::Code => code::draw(model, theme, body),
        Pane::Registers => registers::draw(model, theme, body),
        Pane::Memory => memory::draw(model, theme, body),
        Pane::Tables => tables::draw(model, theme, body),
        pane => lists::draw(model, theme, pane, body),
    };
    let style = theme.title(model.focus == pane);
    let number = Pane::ALL.iter().position(|p| *p == pane).map_or(0, |i| i + 1);
    let text = format!(" {number} {name} ");
    let rule = "─".repeat(usize::from(title.width).saturating_sub(text.chars().count()));
    frame.render_widget(Line::from(vec![Span::styled(text, style), Span::styled(rule, theme.faint())]), title);
    frame.render_widget(Paragraph::new(lines), body);
    if rect.right() < frame.area().right() {
        let x = rect.right() - 1;
        let corner = if model.layout().axis.bottom() == rect.y { "┬" } else { "┤" };
        for y in rect.y..rect.bottom() {
            frame.buffer_mut().set_string(x, y, if y > rect.y { "│" } else { corner }, theme.faint());
        }
    }
}

/// The first row of a pane, and the others without the last column, which keeps panes apart.
fn split_title(rect: Rect) -> [Rect; 2] {
    let title = Rect { height: rect.height.min(1), ..rect };
    let body = Rect { y: rect.y + title.height, height: rect.height - title.height, ..rect };
    [title, Rect { width: body.width.saturating_sub(1), ..body }]
}

/// Text in a row that is selected or not.
fn row_style(model: &Model, theme: Theme, pane: Pane, is_selected: bool) -> Style {
    match is_selected {
        true if model.focus == pane => theme.selected(),
        true => theme.selected_elsewhere(),
        false => Style::new(),
    }
}

/// The guest's text must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

fn footer<'a>(model: &'a Model, theme: Theme) -> Line<'a> {
    let waits = model.work.current.as_ref().filter(|(asked, ticks)| *ticks > 1 && !asked.request.is_background());
    if let Some((asked, ticks)) = waits {
        let spinner = SPINNER[*ticks as usize % SPINNER.len()];
        let how = if model.work.is_cancelling { "cancelling" } else { asked.request.label() };
        let seconds = *ticks as f64 / 10.0;
        let mut spans = vec![
            Span::raw(format!(" {spinner} {how}, {seconds:.1} s   ")),
            Span::styled("esc", theme.key()),
            Span::raw(" cancels   "),
        ];
        let (at, found) = model.progress;
        if at.0 > 0 {
            let percent = at.0 as f64 * 100.0 / model.end().0.max(1) as f64;
            let found = if found > 0 { format!(", {} found", crate::text::grouped(found)) } else { String::new() };
            spans.push(Span::raw(format!("{percent:.0} %{found}   ")));
        }
        spans.extend(indexing(model));
        return Line::from(spans);
    }
    if let Some(message) = &model.message {
        let style = if message.is_trouble { theme.trouble() } else { Style::new() };
        let sign = if message.is_trouble { " ! " } else { "   " };
        return Line::styled(format!("{sign}{}", printable(&message.text)), style);
    }
    let mut spans: Vec<Span> = indexing(model).into_iter().collect();
    for (key, does) in hints(model.focus) {
        spans.extend([Span::raw("  "), Span::styled(*key, theme.key()), Span::raw(format!(" {does}"))]);
    }
    Line::from(spans)
}

fn indexing(model: &Model) -> Option<Span<'static>> {
    let (at, end) = (model.indexed?, model.end());
    Some(Span::raw(format!(" first pass {:.0} % ", at.0 as f64 * 100.0 / end.0.max(1) as f64)))
}

/// The keys that matter most in a pane.
fn hints(pane: Pane) -> &'static [(&'static str, &'static str)] {
    match pane {
        Pane::Code => &[
            ("s/S", "step"),
            ("n/N", "over"),
            ("o/O", "out"),
            ("x/X", "runs next/last"),
            ("g", "go to"),
            ("[", "back"),
            ("?", "keys"),
        ],
        Pane::Memory => &[
            ("w/W", "next/last write"),
            ("@", "address"),
            ("p", "physical"),
            ("/", "search"),
            ("y", "copy"),
            ("[", "back"),
            ("?", "keys"),
        ],
        Pane::Console => &[("enter", "go to when it was printed"), ("/", "search"), ("[", "back"), ("?", "keys")],
        Pane::Processes => &[("enter", "look at this process"), ("f", "the one that runs"), ("?", "keys")],
        Pane::Tables => &[
            ("enter", "go there"),
            ("/", "filter"),
            (">", "sort"),
            ("T", "tables"),
            ("Q", "SQL"),
            ("[", "back"),
            ("?", "keys"),
        ],
        Pane::Maps | Pane::Stack => &[("enter", "show"), ("/", "search"), ("y", "copy"), ("?", "keys")],
        _ => &[("s/S", "step"), ("g", "go to"), ("m", "bookmark"), ("tab", "next pane"), ("q", "leave"), ("?", "keys")],
    }
}
