//! One full pass over a recording that checks everything that can be checked without running the machine.
//!
//! Damage is a finding here and not an error: the summary covers the frames before it.

use std::collections::BTreeMap;

use super::error::{Damage, DamageKind, Error, Result};
use super::event::{Counts, End, Event, InputSource};
use super::frame::Frame;
use super::header::ImageInfo;
use super::identity::Identity;
use super::reader::Reader;
use super::walk::{Step, Walk};
use crate::moment::Moment;

/// What a recording holds and whether it is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Records of each type in the whole frames.
    pub counts: Counts,
    /// Inputs by where they came from; sources without inputs are absent.
    pub inputs_by_source: BTreeMap<InputSource, u64>,
    /// Last Moment that is known.
    pub last: Moment,
    /// How the recording was closed; `None` when it was not (the recorder was killed or still runs).
    pub end: Option<End>,
    /// Whole frames.
    pub frames: u64,
    /// Bytes of superblock and whole frames.
    pub good_bytes: u64,
    /// Hash of the last whole frame.
    pub chain_head: Identity,
    /// Where and why the file stops being readable.
    pub damage: Option<Damage>,
}

impl Summary {
    /// True when the recorder closed the recording.
    pub fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    /// The recording's identity: the chain head of a closed and undamaged recording.
    pub fn identity(&self) -> Option<Identity> {
        (self.is_closed() && self.damage.is_none()).then_some(self.chain_head)
    }
}

impl Reader {
    /// Reads the whole file, checks every frame, image hash and count, and says what it holds.
    ///
    /// # Errors
    /// [`Error::Read`] when the host fails; [`Error::UnknownFrame`] and [`Error::UnknownRecord`] when the file holds
    /// what its format version does not define. Damage is reported in the summary.
    pub fn summary(&self) -> Result<Summary> {
        let mut pass =
            Pass { walk: self.start.clone(), hasher: blake3::Hasher::new(), inputs: BTreeMap::new(), end: None };
        let mut good = *pass.walk.link();
        let damage = loop {
            match pass.advance() {
                Ok(true) => good = *pass.walk.link(),
                Ok(false) => break None,
                Err(Error::Damaged { damage, .. }) => break Some(damage),
                Err(error) => return Err(error),
            }
        };
        Ok(Summary {
            counts: pass.walk.counts(),
            inputs_by_source: pass.inputs,
            last: pass.walk.last(),
            end: pass.end,
            frames: good.seq,
            good_bytes: good.offset,
            chain_head: Identity(good.head),
            damage,
        })
    }
}

struct Pass {
    walk: Walk,
    hasher: blake3::Hasher,
    inputs: BTreeMap<InputSource, u64>,
    end: Option<End>,
}

impl Pass {
    /// Checks one more frame; false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        let before = *self.walk.link();
        let image = self.walk.image_due().cloned();
        match (self.walk.step()?, image) {
            (None, _) => return Ok(false),
            (Some(Step::Image { frame, .. }), Some(image)) => {
                self.image_piece(&frame, &image).map_err(|kind| self.walk.evidence.damage(&before, kind))?
            }
            (Some(Step::Events(events)), _) => self.count_inputs(&events),
            (Some(Step::End(end)), _) => self.end = Some(end),
            (Some(Step::Image { .. }), None) => {}
        }
        Ok(true)
    }

    fn image_piece(&mut self, frame: &Frame, image: &ImageInfo) -> std::result::Result<(), DamageKind> {
        self.hasher.update(&frame.payload()?);
        if self.walk.image_due().is_some_and(|due| due.role == image.role) {
            return Ok(());
        }
        let hash = *self.hasher.finalize().as_bytes();
        self.hasher.reset();
        if hash == image.blake3 { Ok(()) } else { Err(DamageKind::ImageHash { role: image.role.to_string() }) }
    }

    fn count_inputs(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Input(input) = event {
                *self.inputs.entry(input.source()).or_default() += 1;
            }
        }
    }
}
