//! A recording taken to one Moment, for the verbs that look at a machine.

use super::{Failure, Result, size::Place, text};
use crate::machine::Geometry;
use crate::recording::Reader;
use crate::replay::player::Player;
use std::path::Path;

/// The machine of a recording at a place in it.
pub fn player_at(recording: &Path, place: Place) -> Result<Player> {
    let reader = Reader::open(recording)?;
    let length = reader.summary()?.last;
    let to = place.in_recording(length);
    if to > length {
        let (path, to, length) = (recording.display(), text::moment(to), text::moment(length));
        return Err(Failure::Usage(anyhow::anyhow!(
            "{path}: instruction {to} is behind the end, which is {length}; try --at end"
        )));
    }
    let mut player = Player::new(&reader, Geometry::default(), false)?;
    player.seek(to)?;
    match player.machine.now() {
        now if now < to => Err(anyhow::anyhow!(
            "{}: the replay ends at instruction {} and does not come to {}; `reenact verify` tells why",
            recording.display(),
            text::moment(now),
            text::moment(to)
        )
        .into()),
        _ => Ok(player),
    }
}
