//! `reenact tui`: the terminal UI on a recording, or one screen of it as text.

use super::{Failure, Outcome, Result, progress, text};
use crate::session::{Destination, Options, Session};
use crate::tui::rows::Rows;
use crate::tui::{self, Model, Pane, Theme};
use anyhow::{Context, anyhow};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Walk through a recording on the terminal, forwards and backwards.
#[derive(clap::Args)]
pub struct Tui {
    /// The recording.
    recording: PathBuf,
    /// Start here: an instruction number, a percentage, seconds of guest time like 1.5s, end, exit, or a bookmark.
    #[arg(long, value_name = "MOMENT", value_parser = destination)]
    at: Option<Destination>,
    /// Start in this pane; with --once, print it alone.
    #[arg(long, value_name = "NAME", value_parser = pane)]
    pane: Option<Pane>,
    /// Print one screen as text and end.
    #[arg(long)]
    once: bool,
    /// Columns and rows of the screen that --once prints.
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = size, default_value = "120x40", requires = "once")]
    size: (u16, u16),
}

impl Tui {
    pub fn execute(self) -> Result {
        let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !self.once && !has_terminal {
            return Err(Failure::Usage(anyhow!("reenact tui needs a terminal; --once prints one screen as text")));
        }
        let session = Session::open(&self.recording, Options::default())?;
        let name = self.recording.file_name().unwrap_or(self.recording.as_os_str());
        let mut model = Model::new(name.to_string_lossy().into_owned(), self.size);
        if let Some(pane) = self.pane {
            model.begin_in(pane, self.once);
        }
        let rows = rows(&self.recording);
        if self.once { self.print(&session, rows, &mut model) } else { self.show(&session, rows, &mut model) }
    }

    fn print(self, session: &Session, rows: Box<dyn Rows>, model: &mut Model) -> Result {
        let (pass, end) = session.ask(|seat| Ok((seat.first_pass(), seat.end())))?;
        if let Some(to) = self.at {
            let go = || session.ask(move |seat| seat.go(&to));
            progress::while_indexing(&pass, end, go).map_err(|e| Failure::Usage(e.into()))?;
        }
        let screen = tui::once(session, &*rows, model)?;
        std::io::stdout().lock().write_all(screen.as_bytes())?;
        Ok(Outcome::Done)
    }

    fn show(self, session: &Session, rows: Box<dyn Rows>, model: &mut Model) -> Result {
        let must_end = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, must_end.clone()).context("cannot wait for signals")?;
        }
        let pass = session.ask(|seat| Ok(seat.first_pass()))?;
        let theme = Theme { is_coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) };
        tui::run(session, rows, model, self.at, &pass, theme, &must_end).context("the terminal cannot be used")?;
        Ok(Outcome::Done)
    }
}

#[cfg(feature = "query")]
fn rows(recording: &std::path::Path) -> Box<dyn Rows> {
    let path = recording.to_path_buf();
    let open = move || {
        super::answer::Asked::open(&path).and_then(|asked| asked.tables()).map_err(|failure| match failure {
            Failure::Usage(e) | Failure::Input(e) => format!("{e:#}"),
        })
    };
    Box::new(tui::recorded::Recorded::new(Box::new(open)))
}

#[cfg(not(feature = "query"))]
fn rows(_: &std::path::Path) -> Box<dyn Rows> {
    Box::new(tui::rows::NoTables(tui::rows::NO_TABLES.to_owned()))
}

fn destination(text: &str) -> std::result::Result<Destination, String> {
    text.parse().map_err(|_| text::PLACES.to_owned())
}

fn pane(text: &str) -> std::result::Result<Pane, String> {
    let names = || Pane::ALL.map(Pane::name).join(", ");
    Pane::ALL.into_iter().find(|pane| pane.name() == text).ok_or_else(|| format!("the panes are {}", names()))
}

fn size(text: &str) -> std::result::Result<(u16, u16), String> {
    let why = || "write columns and rows like 120x40, at least 60x16 and at most 1000x1000".to_owned();
    let (columns, rows) = text.split_once('x').ok_or_else(why)?;
    let size = (columns.parse().map_err(|_| why())?, rows.parse().map_err(|_| why())?);
    ((60..=1000).contains(&size.0) && (16..=1000).contains(&size.1)).then_some(size).ok_or_else(why)
}
