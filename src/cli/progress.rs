//! Progress bars on standard error, where that is a terminal.

use crate::moment::Moment;
use crate::replay::travel::FirstPass;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A bar over a recording of this length.
pub fn bar(end: Moment) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}{percent:>3}% {wide_bar} {eta} left").expect("a fixed template");
    ProgressBar::new(end.0).with_style(style)
}

/// Shows how the index is made for as long as `work` takes, if it has to be made.
pub fn while_indexing<T>(pass: &FirstPass, end: Moment, work: impl FnOnce() -> T) -> T {
    if pass.is_over() {
        return work();
    }
    let bar = bar(end).with_prefix("making the index ");
    let (done, is_done) = channel::<()>();
    let shown = &bar;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while matches!(is_done.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout)) {
                shown.set_position(pass.at().0);
            }
        });
        let result = work();
        drop(done);
        bar.finish_and_clear();
        result
    })
}

/// A bar for work that has stages, shown from any thread.
#[cfg(feature = "query")]
#[derive(Default)]
pub struct Stages {
    bar: std::sync::OnceLock<ProgressBar>,
}

#[cfg(feature = "query")]
impl Stages {
    /// How far a stage has come.
    pub fn show(&self, stage: &'static str, at: Moment, of: Moment) {
        let bar = self.bar.get_or_init(|| bar(of));
        if bar.prefix() != stage {
            bar.reset();
            bar.set_prefix(stage);
        }
        bar.set_length(of.0);
        bar.set_position(at.0);
    }
    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
