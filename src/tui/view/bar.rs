//! The header and the time bar.

use super::super::layout::{LANE_NAME, Layout};
use super::super::model::Model;
use super::super::theme::Theme;
use super::printable;
use crate::text;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Draws both.
pub fn draw(model: &Model, theme: Theme, layout: &Layout, frame: &mut Frame) {
    frame.render_widget(header(model, theme, layout.header), layout.header);
    let lanes = lanes(model, theme, usize::from(layout.lanes.height));
    frame.render_widget(Paragraph::new(lanes), layout.lanes);
    frame.render_widget(axis(model, theme), layout.axis);
}

fn header(model: &Model, theme: Theme, rect: Rect) -> Line<'static> {
    let Some(sight) = &model.sight else { return Line::raw(format!(" {}  opening ...", model.name)) };
    let moments = &sight.moments;
    let deliveries = match moments.position.deliveries {
        0 => String::new(),
        n => format!("+{n}"),
    };
    let time = format!(
        "{}{deliveries} of {}  {}  {}",
        text::moment(moments.position.moment),
        text::moment(moments.end),
        text::seconds(moments.guest_ns),
        text::utc(moments.guest_date_ns),
    );
    let ring = if sight.registers.cpl == 3 { "user" } else { "kernel" };
    let who = match &sight.current {
        Ok(current) if sight.registers.cpl != 3 && current.root.is_none() => {
            format!("[{}] {}", printable(&current.comm), current.pid)
        }
        Ok(current) => format!("{} {} {ring}", printable(&current.comm), current.pid),
        Err(_) => format!("{}, ring {}", sight.registers.mode, sight.registers.cpl),
    };
    let gap = usize::from(rect.width).saturating_sub(time.chars().count() + who.chars().count() + 2);
    let name = if model.name.chars().count() + 2 <= gap { printable(&model.name) } else { String::new() };
    let space = " ".repeat(gap.saturating_sub(name.chars().count()).max(1));
    let bold = Modifier::BOLD;
    Line::from(vec![
        Span::raw(" "),
        Span::styled(name, theme.faint()),
        Span::raw(space),
        Span::styled(who, theme.name().add_modifier(bold)),
        Span::raw("  "),
        Span::styled(time, theme.here()),
    ])
    .right_aligned()
}

const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lanes from top to bottom.
const ORDER: [&str; 7] = ["kernel", "user", "syscalls", "interrupts", "inputs", "writes", "console"];
/// Those that say most come first, for screens without room for all.
const WORTH: [&str; 7] = ["writes", "console", "user", "syscalls", "kernel", "interrupts", "inputs"];

/// As many lanes as there are rows.
fn lanes(model: &Model, theme: Theme, rows: usize) -> Vec<Line<'static>> {
    let shown = model.shown();
    let console = model.console.activity(shown.from, shown.to.saturating_add(1), shown.columns);
    let mut lanes = vec![("console", console)];
    if let Some(known) = model.lanes.as_ref().filter(|known| known.stretch == shown) {
        lanes.extend(known.read.iter().chain(&known.counted).map(|lane| (lane.name, lane.counts.clone())));
    }
    let rank = |order: &[&str], name: &str| order.iter().position(|n| *n == name);
    lanes.sort_by_key(|(name, _)| rank(&WORTH, name));
    lanes.truncate(rows);
    lanes.sort_by_key(|(name, _)| rank(&ORDER, name));
    lanes.into_iter().map(|(name, counts)| lane(theme, name, &counts)).collect()
}

/// Heights grow with the logarithm, so that one event is seen beside a million; those of instructions grow evenly.
fn lane(theme: Theme, name: &'static str, counts: &[u64]) -> Line<'static> {
    let top = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let bar: String = counts
        .iter()
        .map(|&count| match count {
            0 => ' ',
            n => {
                let is_share = matches!(name, "kernel" | "user");
                let share = if is_share { n as f64 / top } else { (n as f64).ln_1p() / top.ln_1p() };
                let height = 1.0 + 7.0 * share;
                HEIGHTS[(height.round() as usize).min(8)]
            }
        })
        .collect();
    let label = format!("{name:>width$.width$} ", width = usize::from(LANE_NAME) - 1);
    Line::from(vec![Span::styled(label, theme.faint()), Span::styled(bar, theme.lane(name))])
}

fn axis(model: &Model, theme: Theme) -> Line<'static> {
    let shown = model.shown();
    let percent = model.sight.as_ref().map_or(0.0, |sight| sight.moments.percent());
    let label = format!("{percent:>6.2} % ");
    let here = shown.column(model.now().0);
    let marks: Vec<usize> = model.marks.iter().filter_map(|m| shown.column(m.position.moment.0)).collect();
    let mut spans = vec![Span::styled(format!("{label:>width$}", width = usize::from(LANE_NAME)), theme.here())];
    let ends = ends(model, shown.columns);
    spans.extend((0..shown.columns).map(|column| match () {
        () if here == Some(column) => Span::styled("▲", theme.here()),
        () if marks.contains(&column) => Span::styled("◆", theme.mark()),
        () => Span::styled(ends.get(column).copied().unwrap_or('─').to_string(), theme.faint()),
    }));
    Line::from(spans)
}

/// The line itself; zoomed, with the Moments of its two ends.
fn ends(model: &Model, columns: usize) -> Vec<char> {
    let mut line = vec!['─'; columns];
    let Some((from, to)) = model.stretch else { return line };
    let (left, right) = (format!("{} ", text::grouped(from)), format!(" {}", text::grouped(to)));
    let start = columns.saturating_sub(right.chars().count());
    for (i, c) in left.chars().enumerate().chain(right.chars().enumerate().map(|(i, c)| (start + i, c))) {
        if let Some(place) = line.get_mut(i) {
            *place = c;
        }
    }
    line
}
