//! Named Positions, kept in `NAME.reen.index/marks` so that they survive: one JSON object a line, the last one of a
//! name counts.
//!
//! ```text
//! {"name":"crash","moment":4800123,"deliveries":0}
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
}

/// The marks of one recording.
pub struct Marks {
    file: PathBuf,
    marks: BTreeMap<String, Position>,
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
        let marks = lines
            .filter(|line| is_mark_name(&line.name))
            .map(|line| (line.name, Position { moment: line.moment, deliveries: line.deliveries }))
            .collect();
        Ok(Marks { file, marks })
    }

    /// The Position of a mark.
    pub fn get(&self, name: &str) -> Option<Position> {
        self.marks.get(name).copied()
    }

    /// Names a Position, here and on disk.
    pub fn set(&mut self, name: &str, at: Position) -> Result<(), Error> {
        if !is_mark_name(name) {
            return Err(Error::MarkName(name.to_owned()));
        }
        self.append(name, at).map_err(|source| Error::Marks { what: "write", path: self.file.clone(), source })?;
        self.marks.insert(name.to_owned(), at);
        Ok(())
    }

    fn append(&self, name: &str, at: Position) -> std::io::Result<()> {
        let line = Line { name: name.to_owned(), moment: at.moment, deliveries: at.deliveries };
        // The newline in front ends what a crash may have cut off.
        let text = format!("\n{}\n", serde_json::to_string(&line)?);
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(text.as_bytes())
    }

    /// All marks in the order of time.
    pub fn in_order(&self) -> Vec<(String, Position)> {
        let mut list: Vec<_> = self.marks.iter().map(|(name, at)| (name.clone(), *at)).collect();
        list.sort_by_key(|(_, at)| *at);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moment: u64, deliveries: u32) -> Position {
        Position { moment: Moment(moment), deliveries }
    }

    #[test]
    fn marks_survive_and_the_last_of_a_name_counts() {
        let dir = tempfile::tempdir().expect("there is room");
        let folder = dir.path().join("x.reen.index");
        let mut marks = Marks::open(&folder).expect("no folder is no marks");
        marks.set("crash", at(9, 1)).expect("it is a name");
        marks.set("start", at(3, 0)).expect("it is a name");
        marks.set("crash", at(7, 2)).expect("it is a name");
        let again = Marks::open(&folder).expect("they are there");
        assert_eq!(again.in_order(), [("start".to_owned(), at(3, 0)), ("crash".to_owned(), at(7, 2))]);
    }

    #[test]
    fn a_line_that_was_cut_off_costs_itself_only() {
        let dir = tempfile::tempdir().expect("there is room");
        let mut marks = Marks::open(dir.path()).expect("it is empty");
        marks.set("one", at(1, 0)).expect("it is a name");
        let file = dir.path().join("marks");
        let mut bytes = std::fs::read(&file).expect("it is there");
        bytes.extend_from_slice(b"\n{\"name\":\"tw");
        std::fs::write(&file, bytes).expect("there is room");
        marks.set("three", at(3, 0)).expect("it is a name");
        let names: Vec<_> = Marks::open(dir.path()).expect("it is readable").in_order();
        assert_eq!(names, [("one".to_owned(), at(1, 0)), ("three".to_owned(), at(3, 0))]);
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        let dir = tempfile::tempdir().expect("there is room");
        let mut marks = Marks::open(dir.path()).expect("it is empty");
        for name in ["", "end", "12", "+1", "-x", "50%", "two words"] {
            assert!(matches!(marks.set(name, at(1, 0)), Err(Error::MarkName(_))), "{name}");
        }
    }
}
