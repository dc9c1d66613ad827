//! Opens a recording and hands out what it holds. Never writes to it, and keeps at most one frame in memory.
//!
//! `open` checks the superblock and the Header frame; everything behind them is checked while it is read. A file that a
//! killed recorder left, or whose tail is damaged, opens and reads up to its last whole frame.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::vec;

use super::error::{DamageKind, Error, Result};
use super::event::{Counts, Event};
use super::format::{
    FORMAT_VERSION, FRAME_HEADER_LEN, FrameKind, MAX_IMAGE_LEN, Opening, SUPERBLOCK_LEN, read_superblock,
};
use super::frame::{Frame, Link};
use super::header::{Hash, Header, ImageInfo, ImageRole};
use super::identity::Identity;
use super::source::Source;
use super::walk::{Evidence, Step, Walk};
use crate::moment::Moment;

/// An open recording. Cheap to share: reading from it needs no exclusive access.
pub struct Reader {
    header: Arc<Header>,
    pub(super) start: Walk,
    /// Where the events begin, once a walk has got there.
    events_start: OnceLock<Walk>,
}

impl Reader {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Read`] when the host fails; [`Error::NotARecording`], [`Error::NewerFormat`] and
    /// [`Error::UnknownFormat`] for a file that is something else; [`Error::Damaged`] when superblock or header are.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Open { path: path.to_path_buf(), source })?;
        Reader::from_source(Arc::new(file), path)
    }

    /// Opens a recording that need not be a file; `name` stands for its path in errors.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_source(source: Arc<dyn Source>, name: impl AsRef<Path>) -> Result<Reader> {
        let evidence = Evidence { source, path: name.as_ref().into() };
        require_superblock(&evidence)?;
        let link = Link::start(FORMAT_VERSION);
        let Some((frame, next)) = evidence.frame(&link)? else {
            return Err(evidence.damage(&link, DamageKind::Truncated { missing: FRAME_HEADER_LEN as u64 }));
        };
        let header = read_header(&frame).map_err(|kind| evidence.damage(&link, kind))?;
        let header = Arc::new(header);
        let start = Walk::new(evidence, header.clone(), next);
        Ok(Reader { header, start, events_start: OnceLock::new() })
    }

    /// The path or name that the recording was opened by.
    pub fn path(&self) -> &Path {
        &self.start.evidence.path
    }

    /// The format version of the file.
    pub fn format_version(&self) -> u32 {
        FORMAT_VERSION
    }

    /// What was recorded, on which machine, under which rules.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The images of the initial state.
    pub fn images(&self) -> &[ImageInfo] {
        &self.header.images
    }

    /// Reads the image with this role and checks it against its hash; `None` when the recording has none.
    ///
    /// Memory grows with what the file really holds, and never beyond the length that the header states.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the image is damaged or incomplete, [`Error::Read`] when the host fails.
    pub fn load_image(&self, role: ImageRole) -> Result<Option<Vec<u8>>> {
        let Some(wanted) = self.images().iter().position(|image| image.role == role) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.walk_images(|index, frame| {
            if index == wanted {
                bytes.extend_from_slice(&frame.payload()?);
            }
            Ok(())
        })?;
        let whole = self.images().get(wanted).is_some_and(|image| image.blake3 == *blake3::hash(&bytes).as_bytes());
        if !whole {
            let kind = DamageKind::ImageHash { role: role.to_string() };
            return Err(self.start.evidence.damage(self.start.link(), kind));
        }
        Ok(Some(bytes))
    }

    /// The events in file order, from power-on.
    ///
    /// # Errors
    /// [`Error::Damaged`] when an image frame is, [`Error::Read`] when the host fails.
    pub fn events(&self) -> Result<Events> {
        let walk = match self.events_start.get() {
            Some(walk) => walk.clone(),
            None => self.walk_images(|_, _| Ok(()))?,
        };
        Ok(Events { walk, queue: Vec::new().into_iter(), is_done: false })
    }

    /// Visits every image frame; returns where the events begin and remembers it.
    fn walk_images(&self, mut visit: impl FnMut(usize, &Frame) -> std::result::Result<(), DamageKind>) -> Result<Walk> {
        let mut walk = self.start.clone();
        while walk.image_due().is_some() {
            let before = *walk.link();
            // Only an image frame moves a walk on while an image is due; the end of the file is damage there.
            if let Some(Step::Image { index, frame }) = walk.step()? {
                visit(index, &frame).map_err(|kind| walk.evidence.damage(&before, kind))?;
            }
        }
        Ok(self.events_start.get_or_init(|| walk).clone())
    }
}

fn require_superblock(evidence: &Evidence) -> Result<()> {
    let mut block = [0; SUPERBLOCK_LEN];
    let have = evidence.fill(&mut block, 0)?;
    let path = evidence.path.to_path_buf();
    match read_superblock(block.get(..have).unwrap_or_default()) {
        Opening::Version(FORMAT_VERSION) => Ok(()),
        Opening::Version(found) if found > FORMAT_VERSION => {
            Err(Error::NewerFormat { path, found, known: FORMAT_VERSION })
        }
        Opening::Version(found) => Err(Error::UnknownFormat { path, found, known: FORMAT_VERSION }),
        Opening::Damaged(kind) => {
            let front = Link { offset: 0, seq: 0, head: Hash::default() };
            Err(evidence.damage(&front, kind))
        }
        Opening::Foreign => Err(Error::NotARecording { path }),
    }
}

fn read_header(frame: &Frame) -> std::result::Result<Header, DamageKind> {
    if frame.kind() != Ok(FrameKind::Header) || frame.first() != Moment::ZERO {
        return Err(DamageKind::Payload("the first frame is not a header"));
    }
    let payload = frame.payload()?;
    let header = match postcard::take_from_bytes::<Header>(&payload) {
        Ok((header, [])) => header,
        _ => return Err(DamageKind::Payload("it is not a header of format 1")),
    };
    for (index, image) in header.images.iter().enumerate() {
        if image.len > MAX_IMAGE_LEN {
            return Err(DamageKind::Length { field: "image length", value: image.len, max: MAX_IMAGE_LEN });
        }
        if image.len == 0 && image.blake3 != *blake3::hash(&[]).as_bytes() {
            return Err(DamageKind::ImageHash { role: image.role.to_string() });
        }
        if header.images.iter().take(index).any(|other| other.role == image.role) {
            return Err(DamageKind::Payload("two images have the same role"));
        }
    }
    Ok(header)
}

/// The events of a recording in file order, each checked before it is handed out.
///
/// Ends after the last whole frame. If that is because of damage, the last item is the error. A clone is a bookmark: it
/// continues from the same place, at the cost of the events that the current frame still holds.
#[derive(Clone)]
pub struct Events {
    walk: Walk,
    queue: vec::IntoIter<Event>,
    is_done: bool,
}

impl Events {
    /// True once the End record was read.
    pub fn is_closed(&self) -> bool {
        self.walk.is_closed()
    }

    /// Chain head of the frames read so far; the recording's identity once [`Events::is_closed`].
    pub fn chain_head(&self) -> Identity {
        Identity(self.walk.link().head)
    }

    /// Counts over the frames read so far.
    pub fn counts(&self) -> Counts {
        self.walk.counts()
    }

    fn refill(&mut self) -> Option<Result<Event>> {
        match self.walk.step() {
            Ok(Some(Step::Events(events))) => {
                self.queue = events.into_iter();
                self.queue.next().map(Ok)
            }
            Ok(Some(Step::End(end))) => Some(Ok(Event::End(end))),
            Ok(Some(Step::Image { .. }) | None) => {
                self.is_done = true;
                None
            }
            Err(error) => {
                self.is_done = true;
                Some(Err(error))
            }
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        match self.queue.next() {
            Some(event) => Some(Ok(event)),
            None if self.is_done => None,
            None => self.refill(),
        }
    }
}
