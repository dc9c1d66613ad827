//! One screen as text, without a terminal: for scripts, bug reports and tests.

use super::model::Model;
use super::rows::{Rows, answer};
use super::theme::Theme;
use super::update::{Effect, Msg, update};
use super::view::view;
use super::work::{Progress, Trouble, perform};
use crate::session::{Error, Session};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::VecDeque;

/// Works on everything that the model asks for until it asks for no more.
///
/// # Errors
/// [`Error::Ended`] when the session is gone.
pub fn settle(session: &Session, rows: &dyn Rows, model: &mut Model, effects: Vec<Effect>) -> Result<(), Error> {
    let mut effects = VecDeque::from(effects);
    while let Some(effect) = effects.pop_front() {
        let asked = match effect {
            Effect::Ask(asked) => asked,
            Effect::Rows(number, ask) => {
                effects.extend(update(model, Msg::Rows(number, answer(rows, &ask))));
                continue;
            }
            Effect::Cancel | Effect::Yank(_) => continue,
        };
        let outcome = session.ask(move |seat| perform(seat, asked.request, &asked.wish, &Progress::default()));
        let outcome = match outcome {
            Err(Error::Ended) => return Err(Error::Ended),
            outcome => outcome.map_err(Trouble::from),
        };
        effects.extend(update(model, Msg::Answer(asked.generation, outcome)));
    }
    Ok(())
}

/// The screen of a model as text, without spaces at the ends of lines.
pub fn draw(model: &Model) -> String {
    let (columns, rows) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("it writes to memory only");
    terminal.draw(|frame| view(model, Theme { is_coloured: false }, frame)).expect("it writes to memory only");
    let buffer = terminal.backend().buffer();
    let line = |row: u16| {
        let cells = (0..columns).filter_map(|column| buffer.cell((column, row)));
        cells.map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n"
    };
    (0..rows).map(line).collect()
}

/// Opens the model on a session, lets it read what it shows, and draws it.
///
/// # Errors
/// [`Error::Ended`] when the session is gone.
pub fn once(session: &Session, rows: &dyn Rows, model: &mut Model) -> Result<String, Error> {
    let effects = model.open(None);
    settle(session, rows, model, effects)?;
    Ok(draw(model))
}
