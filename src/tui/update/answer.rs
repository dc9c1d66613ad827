//! What the session's answers change.

use super::super::lanes::{Lanes, Stretch};
use super::super::model::{List, Message, Model, Overlay, Pane};
use super::super::sight::Sight;
use super::super::work::{Answer, MOST_FOUND, Move, Request, Trouble};

/// Takes an answer in, if it is the one that is waited for.
pub fn answer(model: &mut Model, generation: u64, outcome: Result<Answer, Trouble>) {
    let Some((asked, _)) = model.work.current.take_if(|(asked, _)| asked.generation == generation) else { return };
    model.work.is_cancelling = false;
    match outcome {
        Ok(answer) => take(model, &asked.request, answer),
        // It gave way, and is asked again when there is time.
        Err(Trouble::Cancelled) if asked.request.is_background() => model.ask(asked.request),
        Err(Trouble::Cancelled) => model.say("cancelled"),
        Err(Trouble::Said(text)) => {
            // What was meant to come after it makes no sense any more.
            model.work.waiting.retain(|request| !matches!(request, Request::Go(_)));
            model.complain(text);
        }
        Err(Trouble::Ended) => {
            model.complain("the session has ended because of an error; leave with q and start reenact again");
            model.work.waiting.clear();
        }
    }
}

fn take(model: &mut Model, request: &Request, answer: Answer) {
    match answer {
        Answer::Opened { console, marks, notes, sight } => {
            model.console = console;
            model.marks = marks;
            model.message = (!notes.is_empty()).then(|| Message { text: notes.join("; "), is_trouble: true });
            model.sight = Some(sight);
            model.follow_console();
            model.ask_lanes();
        }
        Answer::Moved { sight, said } => moved(model, request, sight, said),
        Answer::Looked(sight) => {
            model.sight = Some(sight);
            model.clamp();
        }
        Answer::Marks(marks) => model.marks = marks,
        Answer::Address(address) => model.show_address(address),
        Answer::Found { sought, found } => {
            let more = if found.len() == MOST_FOUND { ", and there are more" } else { "" };
            model.say(format!("\"{sought}\" came to stand {} times{more}; B lists them", found.len()));
            model.found = Some((sought, found));
            model.overlay = Some(Overlay::Found(List::default()));
        }
        Answer::TablesMade(notes) => {
            model.tables.known = None;
            model.wants_lanes = true;
            model.message = Some(Message { text: notes.join("; "), is_trouble: !notes.is_empty() });
            if notes.is_empty() {
                model.say("the tables are there");
            }
        }
        Answer::Lanes(stretch, counted) => model.lanes_of(stretch).counted = counted,
    }
}

fn moved(model: &mut Model, request: &Request, sight: Box<Sight>, said: Option<String>) {
    let arrived = sight.moments.position;
    let left = model.sight.replace(sight);
    let from = left.as_ref().map(|sight| sight.moments.position);
    if from.is_some_and(|from| from != arrived) {
        model.before = left;
    }
    if let (Request::Go(to), Some(from)) = (request, from.filter(|from| *from != arrived)) {
        model.remember(to, from, arrived);
    }
    model.code_at = None;
    model.code_cursor = None;
    model.follow_console();
    model.keep_in_view();
    model.clamp();
    if let Some(text) = said {
        model.say(text);
    }
}

/// Places that are remembered.
const MOST_PLACES: usize = 1000;

impl Model {
    fn remember(&mut self, to: &Move, from: crate::session::Position, arrived: crate::session::Position) {
        let visited = &mut self.visited;
        let is_step = matches!(to, Move::Step(_) | Move::StepCpu(_) | Move::Over(_));
        let was_walking = std::mem::replace(&mut visited.is_walking, is_step);
        match to {
            Move::Visit(_) if visited.back.last() == Some(&arrived) => {
                visited.back.pop();
                visited.ahead.push(from);
            }
            Move::Visit(_) if visited.ahead.last() == Some(&arrived) => {
                visited.ahead.pop();
                visited.back.push(from);
            }
            _ => {
                visited.ahead.clear();
                if !(is_step && was_walking) {
                    visited.back.push(from);
                }
            }
        }
        if visited.back.len() > MOST_PLACES {
            visited.back.remove(0);
        }
    }

    /// The lanes of a stretch; those of another are forgotten.
    pub(super) fn lanes_of(&mut self, stretch: Stretch) -> &mut Lanes {
        let lanes = self.lanes.take().filter(|lanes| lanes.stretch == stretch);
        self.lanes.insert(lanes.unwrap_or(Lanes { stretch, counted: Vec::new(), read: Vec::new() }))
    }

    /// The console's end is what is looked at, wherever the machine goes.
    fn follow_console(&mut self) {
        let (len, rows) = (self.len(Pane::Console), self.layout().rows(Pane::Console));
        self.lists.entry(Pane::Console).or_default().to(len.saturating_sub(1), len, rows);
    }

    /// Selections stay inside their lists.
    fn clamp(&mut self) {
        for pane in [Pane::Stack, Pane::Processes, Pane::Maps, Pane::Descriptors, Pane::Console] {
            let (len, rows) = (self.len(pane), self.layout().rows(pane));
            let list = self.lists.entry(pane).or_default();
            list.to(list.cursor, len, rows);
        }
    }

    /// Shows an address where its kind is shown.
    pub(super) fn show_address(&mut self, address: u64) {
        match self.focus {
            Pane::Memory => self.show_memory(self.window.memory, address),
            _ => self.show_code(address),
        }
    }
}
