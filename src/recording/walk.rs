//! One pass through the frames behind the header, in file order, believing nothing that has not been checked.
//!
//! A walk only moves past a frame when everything about it holds: checksum, chain, place, moments, content. So when it
//! stops at damage it still stands behind the last whole frame, and `link()` is the chain head of the good part.

use std::path::Path;
use std::sync::Arc;

use super::columns::{self, Malformed};
use super::error::{Damage, DamageKind, Error, Result};
use super::event::{Counts, End, Event};
use super::format::{FRAME_HEADER_LEN, FrameKind};
use super::frame::{Frame, FrameHeader, Link};
use super::header::{Header, ImageInfo};
use super::source::Source;
use crate::moment::Moment;

/// The file that is walked.
#[derive(Clone)]
pub(super) struct Evidence {
    pub source: Arc<dyn Source>,
    pub path: Arc<Path>,
}

impl Evidence {
    /// The frame at `link`, checked, and the link behind it; `None` when the file ends exactly there.
    pub fn frame(&self, link: &Link) -> Result<Option<(Frame, Link)>> {
        let mut head = [0; FRAME_HEADER_LEN];
        let have = self.fill(&mut head, link.offset)?;
        if have == 0 {
            return Ok(None);
        }
        if have < head.len() {
            return Err(self.truncated(link, head.len() - have));
        }
        let header = FrameHeader::parse(&head).map_err(|kind| self.damage(link, kind))?;
        let mut bytes = vec![0; FRAME_HEADER_LEN + header.len as usize];
        let have = self.fill(&mut bytes, link.offset)?;
        if have < bytes.len() {
            return Err(self.truncated(link, bytes.len() - have));
        }
        Frame::check(header, bytes, link).map(Some).map_err(|kind| self.damage(link, kind))
    }

    pub fn fill(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let read = self.source.fill_at(buf, offset);
        read.map_err(|source| Error::Read { path: self.path.to_path_buf(), offset, source })
    }

    pub fn damage(&self, link: &Link, kind: DamageKind) -> Error {
        let damage = Damage { offset: link.offset, seq: link.seq, kind };
        Error::Damaged { path: self.path.to_path_buf(), damage }
    }

    fn truncated(&self, link: &Link, missing: usize) -> Error {
        self.damage(link, DamageKind::Truncated { missing: missing as u64 })
    }
}

/// What one frame brought.
pub(super) enum Step {
    /// A piece of the image with this index in the header.
    Image { index: usize, frame: Frame },
    /// Events, in order.
    Events(Vec<Event>),
    /// The recording was closed.
    End(End),
}

/// A place in the file.
#[derive(Clone)]
pub(super) struct Walk {
    pub evidence: Evidence,
    header: Arc<Header>,
    link: Link,
    image: usize,
    image_done: u64,
    last: Moment,
    counts: Counts,
    is_closed: bool,
}

impl Walk {
    /// Starts behind the Header frame.
    pub fn new(evidence: Evidence, header: Arc<Header>, link: Link) -> Walk {
        let mut walk = Walk {
            evidence,
            header,
            link,
            image: 0,
            image_done: 0,
            last: Moment::ZERO,
            counts: Counts::default(),
            is_closed: false,
        };
        walk.skip_complete_images();
        walk
    }

    /// Behind the last whole frame.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The last Moment that was seen.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// What was seen so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// True once the End frame was seen.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The image of which the next piece is due, if any.
    pub fn image_due(&self) -> Option<&ImageInfo> {
        self.header.images.get(self.image)
    }

    /// Moves past one frame; `None` at the end of the file.
    pub fn step(&mut self) -> Result<Option<Step>> {
        let Some((frame, next)) = self.next_frame()? else {
            return Ok(None);
        };
        let kind = match frame.kind() {
            Ok(kind) => kind,
            Err(kind) => {
                let (path, offset, seq) = (self.evidence.path.to_path_buf(), frame.offset(), frame.seq());
                return Err(Error::UnknownFrame { path, offset, seq, kind });
            }
        };
        let step = match kind {
            FrameKind::Header => Err(self.damage(DamageKind::OutOfPlace { kind: kind.code() })),
            FrameKind::Image => self.image_frame(frame),
            FrameKind::Events => self.events_frame(&frame),
            FrameKind::End => self.end_frame(&frame),
        }?;
        self.link = next;
        Ok(Some(step))
    }

    fn next_frame(&self) -> Result<Option<(Frame, Link)>> {
        if self.is_closed {
            return match self.evidence.fill(&mut [0], self.link.offset)? {
                0 => Ok(None),
                _ => Err(self.damage(DamageKind::AfterEnd)),
            };
        }
        let found = self.evidence.frame(&self.link)?;
        if found.is_none() {
            self.require_images()?;
        }
        Ok(found)
    }

    fn image_frame(&mut self, frame: Frame) -> Result<Step> {
        let (index, len) = (self.image, u64::from(frame.raw_len()));
        let missing = self.image_due().map_or(0, |image| image.len - self.image_done);
        if len == 0 || len > missing {
            return Err(self.damage(DamageKind::OutOfPlace { kind: FrameKind::Image.code() }));
        }
        self.require_moment(Moment::ZERO, frame.first())?;
        self.image_done += len;
        self.skip_complete_images();
        Ok(Step::Image { index, frame })
    }

    fn skip_complete_images(&mut self) {
        while self.image_due().is_some_and(|image| image.len == self.image_done) {
            self.image += 1;
            self.image_done = 0;
        }
    }

    fn events_frame(&mut self, frame: &Frame) -> Result<Step> {
        self.require_images()?;
        if frame.first() < self.last {
            return Err(self.damage(DamageKind::Moments { last: self.last, found: frame.first() }));
        }
        let payload = frame.payload().map_err(|kind| self.damage(kind))?;
        let events = columns::decode(&payload, frame.first()).map_err(|malformed| match malformed {
            Malformed::Payload(what) => self.damage(DamageKind::Payload(what)),
            Malformed::UnknownTag(tag) => {
                let (path, offset, seq) = (self.evidence.path.to_path_buf(), frame.offset(), frame.seq());
                Error::UnknownRecord { path, offset, seq, tag }
            }
        })?;
        for event in &events {
            self.counts.add(event);
            self.last = event.at();
        }
        Ok(Step::Events(events))
    }

    fn end_frame(&mut self, frame: &Frame) -> Result<Step> {
        self.require_images()?;
        let payload = frame.payload().map_err(|kind| self.damage(kind))?;
        let end = match postcard::take_from_bytes::<End>(&payload) {
            Ok((end, [])) => end,
            _ => {
                return Err(self.damage(DamageKind::Payload("it is not the closing record of format 1")));
            }
        };
        self.require_moment(end.at, frame.first())?;
        if end.at < self.last {
            return Err(self.damage(DamageKind::Moments { last: self.last, found: end.at }));
        }
        if end.counts != self.counts {
            return Err(self.damage(DamageKind::Counts));
        }
        self.last = end.at;
        self.is_closed = true;
        Ok(Step::End(end))
    }

    fn require_images(&self) -> Result<()> {
        match self.image_due() {
            None => Ok(()),
            Some(image) => {
                let (role, missing) = (image.role.to_string(), image.len - self.image_done);
                Err(self.damage(DamageKind::ImageIncomplete { role, missing }))
            }
        }
    }

    fn require_moment(&self, expected: Moment, found: Moment) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(self.damage(DamageKind::Moments { last: expected, found }))
    }

    fn damage(&self, kind: DamageKind) -> Error {
        self.evidence.damage(&self.link, kind)
    }
}
