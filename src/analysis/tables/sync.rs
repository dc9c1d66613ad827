//! Sees to it that files are on the disk, while those who wrote them go on.

use super::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

enum Asked {
    File(PathBuf, File),
    Outcome(SyncSender<Result<(), Error>>),
}

/// Takes files that are whole; may be cloned. Its thread ends with the last of the clones.
#[derive(Clone)]
pub struct Syncer(Sender<Asked>);

impl Syncer {
    /// With a thread of its own.
    #[expect(clippy::disallowed_methods, reason = "the host edge: the disk takes its time")]
    pub fn new() -> Syncer {
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            let mut outcome = Ok(());
            for next in asked {
                match next {
                    Asked::File(path, file) if outcome.is_ok() => {
                        outcome = file.sync_all().map_err(|source| Error::Write { path, source });
                    }
                    Asked::File(..) => {}
                    // Who asked may be gone.
                    Asked::Outcome(to) => drop(to.send(std::mem::replace(&mut outcome, Ok(())))),
                }
            }
        });
        Syncer(sender)
    }
    /// Has a file written to the disk.
    pub fn take(&self, path: PathBuf, file: File) {
        self.0.send(Asked::File(path, file)).expect("the thread lives as long as this");
    }
    /// Waits until all that was taken is on the disk.
    ///
    /// # Errors
    /// The first that is not.
    pub fn wait(&self) -> Result<(), Error> {
        let (sender, outcome) = sync_channel(1);
        self.0.send(Asked::Outcome(sender)).expect("the thread lives as long as this");
        outcome.recv().expect("the thread answers")
    }
}
