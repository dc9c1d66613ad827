//! Colours that can be read on dark and on light ground, and none at all with NO_COLOR.
//!
//! Only the terminal's own colours are used, never a ground: what is selected is reversed. Meaning is never in the colour
//! alone, so that nothing is lost without them.

use ratatui::style::{Color, Modifier, Style};

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Colours are wanted.
    pub is_coloured: bool,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.is_coloured { Style::new().fg(colour) } else { Style::new() }
    }
    /// Where the machine stands.
    pub fn here(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }
    /// What has just changed.
    pub fn changed(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }
    /// Names: symbols, processes, files.
    pub fn name(self) -> Style {
        self.colour(Color::Cyan)
    }
    /// What is only there for orientation.
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
    /// The row or byte that commands are about.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
    /// The same in a pane that does not have the keys.
    pub fn selected_elsewhere(self) -> Style {
        Style::new().add_modifier(Modifier::UNDERLINED)
    }
    /// The title of a pane.
    pub fn title(self, has_keys: bool) -> Style {
        if has_keys { Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED) } else { self.faint() }
    }
    /// A bookmark.
    pub fn mark(self) -> Style {
        self.colour(Color::Magenta).add_modifier(Modifier::BOLD)
    }
    /// What did not work.
    pub fn trouble(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }
    /// A key in a hint.
    pub fn key(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
    /// A lane of the time bar.
    pub fn lane(self, name: &str) -> Style {
        self.colour(match name {
            "kernel" => Color::Blue,
            "user" => Color::Green,
            "syscalls" => Color::Cyan,
            "interrupts" => Color::Magenta,
            "writes" => Color::Red,
            _ => Color::Reset,
        })
    }
}
