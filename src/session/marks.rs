//! Named Positions, kept in `NAME.reen.index/marks` so that they survive: one JSON object a line, the last one of a
//! name counts.
//!
//! ```text
//! {"name":"crash","moment":4800123,"deliveries":0,"note":"jumps to 0"}
//! {"name":"start","gone":true,"moment":0,"deliveries":0}
//! ```

use super::destination::is_mark_name;
use super::{Error, Position};
use crate::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    moment: Moment,
    deliveries: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

/// A named Position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A word.
    pub name: String,
    /// Where.
    pub position: Position,
    /// What its maker wrote beside it; mostly empty.
    pub note: String,
}

/// The marks of one recording.
pub struct Marks {
    file: PathBuf,
    marks: BTreeMap<String, Mark>,
}

impl Marks {
    /// Reads the marks in an index folder that need not exist. Lines that are no marks are passed over: a line may have
    /// been cut off, and marks are a convenience.
    pub fn open(folder: &Path) -> Result<Marks, Error> {
        let file = folder.join("marks");
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Vec::new(),
            Err(source) => return Err(Error::Marks { what: "read", path: file, source }),
        };
        let lines = bytes.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let mut marks = BTreeMap::new();
        for line in lines.filter(|line| is_mark_name(&line.name)) {
            let position = Position { moment: line.moment, deliveries: line.deliveries };
            match line.gone {
                true => marks.remove(&line.name),
                false => marks.insert(line.name.clone(), Mark { name: line.name, position, note: line.note }),
            };
        }
        Ok(Marks { file, marks })
    }

    /// The Position of a mark.
    pub fn get(&self, name: &str) -> Option<Position> {
        self.marks.get(name).map(|mark| mark.position)
    }

    /// Names a Position, here and on disk.
    pub fn set(&mut self, mark: Mark) -> Result<(), Error> {
        if !is_mark_name(&mark.name) {
            return Err(Error::MarkName(mark.name));
        }
        self.append(&mark, false)?;
        self.marks.insert(mark.name.clone(), mark);
        Ok(())
    }

    /// Forgets a mark, here and on disk; one that is not there is forgotten already.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        let Some(mark) = self.marks.get(name) else { return Ok(()) };
        self.append(mark, true)?;
        self.marks.remove(name);
        Ok(())
    }

    fn append(&self, mark: &Mark, gone: bool) -> Result<(), Error> {
        let line = Line {
            name: mark.name.clone(),
            moment: mark.position.moment,
            deliveries: mark.position.deliveries,
            note: mark.note.clone(),
            gone,
        };
        self.write(&line).map_err(|source| Error::Marks { what: "write", path: self.file.clone(), source })
    }

    fn write(&self, line: &Line) -> std::io::Result<()> {
        // The newline in front ends what a crash may have cut off.
        let text = format!("\n{}\n", serde_json::to_string(line)?);
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(text.as_bytes())
    }

    /// All marks in the order of time.
    pub fn in_order(&self) -> Vec<Mark> {
        let mut list: Vec<Mark> = self.marks.values().cloned().collect();
        list.sort_by_key(|mark| mark.position);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str, moment: u64, deliveries: u32) -> Mark {
        let position = Position { moment: Moment(moment), deliveries };
        Mark { name: name.to_owned(), position, note: String::new() }
    }

    #[test]
    fn marks_survive_and_the_last_of_a_name_counts() {
        let dir = tempfile::tempdir().expect("there is room");
        let folder = dir.path().join("x.reen.index");
        let mut marks = Marks::open(&folder).expect("no folder is no marks");
        marks.set(mark("crash", 9, 1)).expect("it is a name");
        marks.set(mark("start", 3, 0)).expect("it is a name");
        marks.set(mark("crash", 7, 2)).expect("it is a name");
        let again = Marks::open(&folder).expect("they are there");
        assert_eq!(again.in_order(), [mark("start", 3, 0), mark("crash", 7, 2)]);
    }

    #[test]
    fn a_line_that_was_cut_off_costs_itself_only() {
        let dir = tempfile::tempdir().expect("there is room");
        let mut marks = Marks::open(dir.path()).expect("it is empty");
        marks.set(mark("one", 1, 0)).expect("it is a name");
        let file = dir.path().join("marks");
        let mut bytes = std::fs::read(&file).expect("it is there");
        bytes.extend_from_slice(b"\n{\"name\":\"tw");
        std::fs::write(&file, bytes).expect("there is room");
        marks.set(mark("three", 3, 0)).expect("it is a name");
        let names: Vec<_> = Marks::open(dir.path()).expect("it is readable").in_order();
        assert_eq!(names, [mark("one", 1, 0), mark("three", 3, 0)]);
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        let dir = tempfile::tempdir().expect("there is room");
        let mut marks = Marks::open(dir.path()).expect("it is empty");
        for name in ["", "end", "12", "+1", "-x", "50%", "two words"] {
            assert!(matches!(marks.set(mark(name, 1, 0)), Err(Error::MarkName(_))), "{name}");
        }
    }
}
