//! A recording taken to one Moment, for the verbs that look at a machine.

use super::{Failure, Result, progress, size::Place, text};
use crate::recording::Reader;
use crate::replay::travel::{Options, Position, Travel};
use std::path::Path;

/// A traveller at a place in a recording.
pub fn travel_to(recording: &Path, place: Place) -> Result<Travel> {
    let reader = Reader::open(recording)?;
    let length = reader.summary()?.last;
    let to = place.in_recording(length);
    if to > length {
        let (path, to, length) = (recording.display(), text::moment(to), text::moment(length));
        return Err(Failure::Usage(anyhow::anyhow!(
            "{path}: instruction {to} is behind the end, which is {length}; try --at end"
        )));
    }
    let mut travel = Travel::open(reader, Options::default())?;
    let (pass, end) = (travel.first_pass(), travel.end());
    progress::while_indexing(&pass, end, || travel.seek(Position::at(to)))?;
    for note in travel.take_notes() {
        eprintln!("reenact: {note}");
    }
    Ok(travel)
}
