//! More machines, which search many slices at once. Each is made when it is first needed, and stays where it was.

use super::history::History;
use super::runner::Runner;
use super::stand::Stand;
use super::{Cancel, Position};
use crate::replay::Error;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Runs a machine from where it stands to a position, and says what it found. Several run at once.
type Search<'a, T> = dyn Fn(&mut Stand, Position) -> Result<Option<T>, Error> + Sync + 'a;

/// The machines that search.
pub struct Crew {
    history: Arc<History>,
    workers: Vec<Mutex<Option<Stand>>>,
}

impl Drop for Crew {
    /// Giving the memory of a machine back takes as long as some milliseconds of its work.
    fn drop(&mut self) {
        self.workers.par_drain(..).for_each(drop);
    }
}

impl Crew {
    /// At most so many machines.
    pub fn new(history: Arc<History>, workers: usize) -> Crew {
        Crew { history, workers: (0..workers).map(|_| Mutex::new(None)).collect() }
    }
    /// How many there are, made or not.
    pub fn len(&self) -> usize {
        self.workers.len()
    }
    /// Puts a machine at the start of each slice and has `search` run it to the slice's end; the first result in the order
    /// of `slices` counts, and no slice behind it is begun when it is known.
    pub(super) fn in_slices<T: Send>(
        &self,
        slices: &[usize],
        cancel: &Cancel,
        search: &Search<T>,
    ) -> Result<Option<T>, Error> {
        let next = AtomicUsize::new(0);
        let best = Mutex::new((usize::MAX, None));
        let work = |stand: &mut Stand| -> Result<(), Error> {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= slices.len() || i > best.lock().expect("no holder panics").0 || cancel.is_requested() {
                    return Ok(());
                }
                let start = Position::at(self.history.moment(slices[i]));
                if !stand.go(start, false, cancel)? {
                    return Ok(());
                }
                if let Some(found) = search(stand, self.history.slice_end(slices[i]))? {
                    let mut best = best.lock().expect("no holder panics");
                    if i < best.0 {
                        *best = (i, Some(found));
                    }
                }
            }
        };
        let count = self.len().min(slices.len());
        let outcome: Mutex<Result<(), Error>> = Mutex::new(Ok(()));
        rayon::scope(|scope| {
            for worker in &self.workers[..count] {
                scope.spawn(|_| {
                    let result = self.with_worker(worker, &mut |stand| work(stand));
                    if result.is_err() {
                        *outcome.lock().expect("no holder panics") = result;
                    }
                });
            }
        });
        outcome.into_inner().expect("no holder panics")?;
        Ok(best.into_inner().expect("no holder panics").1)
    }

    /// Has `work`, which is told a machine's number, done on so many machines at once, or as many as there are; the first error.
    pub(super) fn all_at_once(
        &self,
        count: usize,
        work: &(dyn Fn(usize, &mut Stand) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        // Threads of their own: work may wait for other work, which a pool with fewer threads would never begin.
        std::thread::scope(|scope| {
            for (number, worker) in self.workers.iter().enumerate().take(count) {
                let failure = &failure;
                scope.spawn(move || {
                    if let Err(error) = self.with_worker(worker, &mut |stand| work(number, stand)) {
                        failure.lock().expect("no holder panics").get_or_insert(error);
                    }
                });
            }
        });
        failure.into_inner().expect("no holder panics").map_or(Ok(()), Err)
    }

    fn with_worker(
        &self,
        worker: &Mutex<Option<Stand>>,
        work: &mut dyn FnMut(&mut Stand) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut slot = worker.lock().expect("no holder panics");
        if slot.is_none() {
            let runner = Runner::new(self.history.machine()?, self.history.script.clone());
            *slot = Some(Stand::new(self.history.clone(), runner));
        }
        work(slot.as_mut().expect("made just now"))
    }
}
