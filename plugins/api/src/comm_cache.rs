//! Names of threads as text, remembered: for analyses that ask at every event.

use crate::{Comm, Task};

/// The text of the last name, for the state of a slice.
#[derive(Default)]
pub struct CommCache {
    comm: Comm,
    text: String,
}

impl CommCache {
    /// The name of a thread.
    #[inline]
    pub fn text(&mut self, task: &Task) -> &str {
        if task.comm != self.comm {
            self.comm = task.comm;
            self.text.clear();
            self.text.push_str(&task.comm.text());
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::task;

    #[test]
    fn each_name_has_its_own_text() {
        let mut cache = CommCache::default();
        let names = ["", "sh", "sh", "ls", "", "a name of 15 by"];
        for name in names {
            assert_eq!(cache.text(&task(1, 1, name)), name);
        }
    }
}
