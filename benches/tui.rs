//! From a key to the drawn screen: what a user of the terminal UI waits for, on a recording that `REENACT_BENCH_RECORDING`
//! names. The session works on its own thread as on a terminal; the screen is drawn into memory.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the host's clock and environment")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use reenact::session::{Destination, Options, Session};
use reenact::tui::update::{Effect, Msg, update};
use reenact::tui::view::view;
use reenact::tui::work;
use reenact::tui::{Model, Theme};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

fn main() {
    let Some(path) = std::env::var_os("REENACT_BENCH_RECORDING") else {
        println!("tui: set REENACT_BENCH_RECORDING to a recording; nothing measured");
        return;
    };
    for size in [(80, 24), (120, 40), (250, 80)] {
        println!("{} x {}", size.0, size.1);
        Driver::open(Path::new(&path), size).measure();
    }
}

/// Keys that need no replay, and what they are.
const STILL: &[(&str, &str)] = &[
    ("1jjjjjjjjjjkkkkk", "cursor in code"),
    ("3jjjjjjjjjjkkkkkllll", "cursor in memory"),
    ("4jjjjj", "stack"),
    ("5kkkkk", "console"),
    ("6jjjjj", "processes"),
    ("7jjjjj", "map"),
    ("8jjjjj", "files"),
    ("++++----0", "zoom of the time bar"),
    ("?", "help"),
];

/// Keys that need one, from places all over the recording.
const MOVING: &[(&str, &str)] = &[
    ("s", "step"),
    ("S", "step back"),
    ("i", "step of the processor"),
    ("I", "step of the processor back"),
    ("n", "over"),
    ("N", "over, back"),
    ("o", "out"),
    ("O", "back to the call"),
    ("c", "next system call"),
    ("C", "previous system call"),
    ("x", "next execution"),
    ("X", "last execution"),
    (".", "next column of the time bar"),
    (",", "previous column of the time bar"),
    ("[", "back to the place before"),
];

const PLACES: usize = 24;

struct Driver {
    session: Session,
    model: Model,
    screen: Terminal<TestBackend>,
    heard: Sender<Msg>,
    inbox: Receiver<Msg>,
}

impl Driver {
    fn open(path: &Path, size: (u16, u16)) -> Driver {
        let session = Session::open(path, Options::default()).expect("the recording opens");
        let (heard, inbox) = channel();
        let screen = Terminal::new(TestBackend::new(size.0, size.1)).expect("it draws into memory");
        let mut driver = Driver { session, model: Model::new("bench".into(), size), screen, heard, inbox };
        let effects = driver.model.open(Some(Destination::End));
        driver.perform(effects);
        driver.settle();
        driver
    }

    fn measure(mut self) {
        let mut still = Vec::new();
        for (keys, what) in STILL {
            let mut times = Vec::new();
            for place in 0..8 {
                self.go(place);
                times.extend(keys.chars().map(|key| self.press(key)));
                self.key(KeyCode::Esc);
            }
            still.extend(&times);
            show(what, times);
        }
        show("all of these", still);
        let mut moving = Vec::new();
        for (key, what) in MOVING {
            let mut times = Vec::new();
            for place in 0..PLACES {
                self.go(place);
                times.extend(key.chars().map(|key| self.press(key)));
            }
            moving.extend(&times);
            show(what, times);
        }
        show("all of these", moving);
    }

    /// To one of many places, the same ones every time.
    fn go(&mut self, place: usize) {
        let percent = (place * 37 % 97) as f64 + 1.5;
        for c in format!("g{percent}%").chars() {
            self.key(KeyCode::Char(c));
        }
        self.key(KeyCode::Enter);
    }

    fn press(&mut self, key: char) -> Duration {
        let started = Instant::now();
        self.key(KeyCode::Char(key));
        started.elapsed()
    }

    /// A key, all that it asks for but what happens behind the user's back, and the screen after that.
    fn key(&mut self, code: KeyCode) {
        let effects = update(&mut self.model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        self.perform(effects);
        self.settle();
    }

    fn settle(&mut self) {
        let is_busy = |model: &Model| model.work.current.as_ref().is_some_and(|(a, _)| !a.request.is_background());
        loop {
            self.screen
                .draw(|frame| view(&self.model, Theme { is_coloured: true }, frame))
                .expect("it draws into memory");
            if !is_busy(&self.model) && self.model.work.waiting.iter().all(|r| r.is_background()) {
                return;
            }
            let msg = self.inbox.recv().expect("the session answers");
            let effects = update(&mut self.model, msg);
            self.perform(effects);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(asked) => {
                    let heard = self.heard.clone();
                    work::start(&self.session, asked, &Arc::default(), move |generation, outcome| {
                        let _ = heard.send(Msg::Answer(generation, outcome));
                    });
                }
                Effect::Cancel => self.session.cancel(),
                Effect::Rows(..) | Effect::Yank(_) => {}
            }
        }
    }
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!("  {what:<34} median {:>8.2} ms   95 % {:>8.2} ms   longest {:>8.2} ms", ms(50), ms(95), ms(100));
}
