//! Where everything is on a screen of a given size: used to draw, to scroll and to find what the mouse points at.

use super::model::Pane;
use ratatui::layout::{Constraint, Layout as Split, Rect};

/// The places of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where and when, one line.
    pub header: Rect,
    /// Lanes of the time bar, one line each.
    pub lanes: Rect,
    /// The axis with bookmarks and the current Moment.
    pub axis: Rect,
    /// The panes that are seen.
    pub panes: Vec<(Pane, Rect)>,
    /// Messages and hints, one line.
    pub footer: Rect,
}

/// Columns for the names of lanes.
pub const LANE_NAME: u16 = 11;
/// From this height on there is a row for each lane, and a pane for memory of its own.
const TALL: u16 = 34;
/// Lanes that there is room for on a tall screen.
const LANES: u16 = 6;
/// And on others.
const FEW_LANES: u16 = 2;
/// From this width on the registers' pane has control registers in full.
const WIDE: u16 = 110;

impl Layout {
    /// The layout of a screen.
    pub fn of((width, height): (u16, u16), focus: Pane, tab: Pane, is_maximised: bool) -> Layout {
        let is_tall = height >= TALL;
        let lanes = if is_tall { LANES } else { FEW_LANES };
        let line = Constraint::Length(1);
        let rows = [line, Constraint::Length(lanes), line, Constraint::Fill(1), line];
        let [header, lanes, axis, main, footer] = Split::vertical(rows).areas(Rect::new(0, 0, width, height));
        let panes = if is_maximised { vec![(focus, main)] } else { panes(main, tab, is_tall) };
        Layout { header, lanes, axis, panes, footer }
    }

    /// Where a pane is, if it is seen.
    pub fn pane(&self, pane: Pane) -> Option<Rect> {
        self.panes.iter().find(|(p, _)| *p == pane).map(|(_, rect)| *rect)
    }

    /// Rows of a pane below its title.
    pub fn rows(&self, pane: Pane) -> usize {
        self.pane(pane).map_or(0, |rect| usize::from(rect.height.saturating_sub(1)))
    }

    /// Columns of the time bar, its names aside.
    pub fn columns(&self) -> usize {
        usize::from(self.axis.width.saturating_sub(LANE_NAME))
    }
}

fn panes(main: Rect, tab: Pane, is_tall: bool) -> Vec<(Pane, Rect)> {
    // Rows of a table are wide: they take the whole width, below.
    let (above, below) = match (tab, is_tall) {
        (Pane::Tables, false) => stacked(main, [2, 3]),
        (Pane::Tables, true) => stacked(main, [3, 2]),
        _ => (main, Rect::default()),
    };
    let width = if main.width >= WIDE { 34 } else { 22 };
    let [left, right] = Split::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(above);
    let mut panes = vec![(Pane::Registers, right)];
    panes.extend(match (tab, is_tall) {
        (Pane::Tables, false) => vec![(Pane::Code, left), (tab, below)],
        (Pane::Tables, true) => {
            let (code, memory) = stacked(left, [2, 1]);
            vec![(Pane::Code, code), (Pane::Memory, memory), (tab, below)]
        }
        (_, false) => {
            let (code, lower) = stacked(left, [11, 8]);
            vec![(Pane::Code, code), (tab, lower)]
        }
        (_, true) => {
            let (code, rest) = stacked(left, [5, 7]);
            let (memory, lower) = stacked(rest, [3, 4]);
            let tab = if tab == Pane::Memory { Pane::Console } else { tab };
            vec![(Pane::Code, code), (Pane::Memory, memory), (tab, lower)]
        }
    });
    panes
}

/// Two places, one above the other.
fn stacked(rect: Rect, parts: [u16; 2]) -> (Rect, Rect) {
    let [above, below] = Split::vertical(parts.map(Constraint::Fill)).areas(rect);
    (above, below)
}
