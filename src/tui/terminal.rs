//! The loop on a terminal: keys and answers in, screens out. Whatever ends it, the terminal is as it was before.

use super::model::Model;
use super::rows::{Ask, Rows, serve};
use super::theme::Theme;
use super::update::{Effect, Msg, update};
use super::view::view;
use super::work::{self, Progress};
use crate::session::{Destination, FirstPass, Session};
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event,
};
use crossterm::execute;
use std::io::{self, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Between two ticks.
const TICK: Duration = Duration::from_millis(100);

/// What the loop hears.
enum Heard {
    Msg(Msg),
    /// The terminal is gone.
    Gone(io::Error),
}

/// Shows a recording until the user leaves, or somebody sets `must_end`.
///
/// # Errors
/// What the terminal says.
pub fn run(
    session: &Session,
    rows: Box<dyn Rows>,
    model: &mut Model,
    at: Option<Destination>,
    pass: &FirstPass,
    theme: Theme,
    must_end: &Arc<AtomicBool>,
) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let (heard, inbox) = channel();
    listen(heard.clone(), must_end.clone())?;
    let from_tables = heard.clone();
    let tables = serve(rows, move |number, told| {
        // Nobody hears it when the loop has ended.
        let _ = from_tables.send(Heard::Msg(Msg::Rows(number, told)));
    })?;
    let size = screen.terminal.size()?;
    model.size = (size.width, size.height);
    let mut effects = model.open(at);
    let progress = Arc::new(Progress::default());
    while !model.is_over && !must_end.load(Ordering::Relaxed) {
        for effect in effects.drain(..) {
            perform(session, &progress, &tables, effect, &heard);
        }
        screen.terminal.draw(|frame| view(model, theme, frame))?;
        effects = hear(model, &inbox, pass, &progress)?;
    }
    session.cancel();
    Ok(())
}

/// Waits for something, and takes in all that has come: one screen for many keys. It never waits longer than a tick:
/// `must_end` is looked at then.
fn hear(model: &mut Model, inbox: &Receiver<Heard>, pass: &FirstPass, progress: &Progress) -> io::Result<Vec<Effect>> {
    let first = match inbox.recv_timeout(TICK) {
        Ok(heard) => heard,
        Err(RecvTimeoutError::Timeout) => {
            // crossterm reads on and on from a terminal that has hung up, and says nothing.
            crossterm::terminal::window_size()?;
            let indexed = (!pass.is_over()).then(|| pass.at());
            return Ok(update(model, Msg::Tick { indexed, progress: progress.read() }));
        }
        Err(gone) => return Err(io::Error::other(gone)),
    };
    let mut effects = Vec::new();
    for heard in std::iter::once(first).chain(inbox.try_iter()) {
        match heard {
            Heard::Msg(msg) => effects.extend(update(model, msg)),
            Heard::Gone(error) => return Err(error),
        }
    }
    Ok(effects)
}

fn perform(
    session: &Session,
    progress: &Arc<Progress>,
    tables: &Sender<(u64, Ask)>,
    effect: Effect,
    heard: &Sender<Heard>,
) {
    match effect {
        Effect::Ask(asked) => {
            let heard = heard.clone();
            work::start(session, asked, progress, move |generation, outcome| {
                // Nobody hears it when the loop has ended.
                let _ = heard.send(Heard::Msg(Msg::Answer(generation, outcome)));
            });
        }
        // Gone only when it panicked, which it has said.
        Effect::Rows(number, ask) => drop(tables.send((number, ask))),
        Effect::Cancel => session.cancel(),
        // A terminal that does not know this shows nothing of it.
        Effect::Yank(text) => drop(execute!(stdout(), CopyToClipboard::to_clipboard_from(text))),
    }
}

/// Starts the thread that reads the terminal.
fn listen(heard: Sender<Heard>, must_end: Arc<AtomicBool>) -> io::Result<()> {
    let read = move || {
        while !must_end.load(Ordering::Relaxed) {
            let message = match event::poll(TICK).and_then(|is_there| is_there.then(event::read).transpose()) {
                Ok(None) => continue,
                Ok(Some(Event::Key(key))) => Heard::Msg(Msg::Key(key)),
                Ok(Some(Event::Mouse(mouse))) => Heard::Msg(Msg::Mouse(mouse)),
                Ok(Some(Event::Paste(text))) => Heard::Msg(Msg::Paste(text)),
                Ok(Some(Event::Resize(columns, rows))) => Heard::Msg(Msg::Resize(columns, rows)),
                Ok(Some(_)) => continue,
                Err(error) => Heard::Gone(error),
            };
            let is_gone = matches!(message, Heard::Gone(_));
            if heard.send(message).is_err() || is_gone {
                break;
            }
        }
    };
    std::thread::Builder::new().name("terminal".into()).spawn(read).map(drop)
}

/// The terminal while it is ours.
struct Screen {
    terminal: ratatui::DefaultTerminal,
}

impl Screen {
    fn open() -> io::Result<Screen> {
        // Also has a panic give the terminal back, in whatever thread.
        let screen = Screen { terminal: ratatui::try_init()? };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            hook(info);
        }));
        execute!(stdout(), EnableMouseCapture, EnableBracketedPaste)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // A terminal that is gone needs nothing.
        let _ = ratatui::try_restore();
    }
}

fn give_back() {
    let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste);
}
