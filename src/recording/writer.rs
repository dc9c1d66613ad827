//! Writes a recording: a draft with header and images first, then, under the final name, events as they happen.
//!
//! Only whole frames are ever appended, and nothing that was written is changed. If a write fails, the torn frame is cut
//! off again and the writer takes nothing more. There is no clock in here: the caller says when time has passed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::columns::Columns;
use super::error::{Error, Result};
use super::event::{Counts, Digest, End, ExitReason, Input, InputData};
use super::format::{FORMAT_VERSION, FrameKind, IMAGE_CHUNK, MAX_IMAGE_LEN, MAX_RAW_LEN, MAX_RECORD_BYTES, superblock};
use super::frame::{Link, Sealer};
use super::header::{Hash, Header, Image};
use super::identity::Identity;
use super::publish::Unpublished;
use crate::moment::Moment;

/// After this much time, [`Writer::flush_if_due`] cuts a frame, so that a killed recorder loses no more than this.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// Header and images, complete on disk but not yet under the final name. Dropping it removes the file.
pub struct Draft {
    tail: Tail,
    unpublished: Unpublished,
}

impl Draft {
    /// Writes header and images to a temporary file `.NAME.partial-PID` beside `path`.
    ///
    /// `header.images` is replaced by what `images` are. With `overwrite`, an existing regular file at `path` will be
    /// replaced when the draft is published.
    ///
    /// # Errors
    /// [`Error::Exists`] when `path` is taken and `overwrite` is false; [`Error::NotAFile`] when it is taken by
    /// something that is not a regular file; [`Error::DuplicateImage`] and [`Error::TooLarge`] for what the format
    /// cannot hold; [`Error::Create`] and [`Error::Write`] when the host fails.
    pub fn create(path: impl AsRef<Path>, overwrite: bool, mut header: Header, images: &[Image<'_>]) -> Result<Draft> {
        let path = path.as_ref();
        require_images_fit(path, images)?;
        let (unpublished, file) = Unpublished::create(path, overwrite)?;
        header.images = images.iter().map(Image::info).collect();
        let mut tail = Tail::new(file, path)?;
        let raw = postcard::to_stdvec(&header).expect("a header is plain data");
        tail.require_fits("the header", raw.len(), MAX_RAW_LEN as usize)?;
        tail.append(FrameKind::Header, Moment::ZERO, &raw)?;
        for chunk in images.iter().flat_map(|image| image.bytes.chunks(IMAGE_CHUNK)) {
            tail.append(FrameKind::Image, Moment::ZERO, chunk)?;
        }
        Ok(Draft { tail, unpublished })
    }

    /// The name that the recording will have.
    pub fn path(&self) -> &Path {
        self.unpublished.path()
    }

    /// Gives the file its final name in one step; from now on it is a recording, whatever happens.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name was taken meanwhile, [`Error::Create`] and [`Error::Write`] when the host fails.
    pub fn publish(self) -> Result<Writer> {
        self.tail.file.sync_data().map_err(|source| self.tail.write_error(source))?;
        self.unpublished.publish()?;
        Ok(Writer {
            tail: self.tail,
            pending: Columns::default(),
            last: Moment::ZERO,
            counts: Counts::default(),
            flushed_at: None,
        })
    }
}

/// Appends events to a recording. Dropping it without [`Writer::finish`] leaves a recording that was not closed.
pub struct Writer {
    tail: Tail,
    pending: Columns,
    last: Moment,
    counts: Counts,
    flushed_at: Option<Duration>,
}

impl Writer {
    /// Writes header and images and publishes them at once: [`Draft::create`], then [`Draft::publish`].
    ///
    /// # Errors
    /// As these two.
    pub fn create(path: impl AsRef<Path>, overwrite: bool, header: Header, images: &[Image<'_>]) -> Result<Writer> {
        Draft::create(path, overwrite, header, images)?.publish()
    }

    /// The recording's path.
    pub fn path(&self) -> &Path {
        &self.tail.path
    }

    /// Moment of the last event.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// What was appended so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Appends an input. Events of all kinds come in the order in which they happen.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] when its Moment is before the last one, [`Error::TooLarge`] when its bytes exceed
    /// [`MAX_RECORD_BYTES`]; both leave the recording as it was. [`Error::Write`] when a full frame could not be
    /// written, [`Error::WriterFailed`] after that.
    pub fn input(&mut self, input: &Input) -> Result<()> {
        let bytes = match &input.data {
            InputData::SerialRx { bytes, .. } | InputData::HostEntropy { bytes } => bytes.len(),
            InputData::HaltAdvance { .. } | InputData::WallClock { .. } => 0,
        };
        self.make_room(input.at, "an input", bytes)?;
        self.pending.input(input);
        self.counts.inputs += 1;
        Ok(())
    }

    /// Appends a digest. Errors as [`Writer::input`].
    pub fn digest(&mut self, digest: &Digest) -> Result<()> {
        self.make_room(digest.at, "a digest", digest.digest.len())?;
        self.pending.digest(digest);
        self.counts.digests += 1;
        Ok(())
    }

    /// Appends bytes that the guest sent to serial port `port`. Errors as [`Writer::input`].
    pub fn output(&mut self, at: Moment, port: u8, bytes: &[u8]) -> Result<()> {
        self.make_room(at, "an output", bytes.len())?;
        self.pending.output(at, port, bytes);
        self.counts.outputs += 1;
        self.counts.console_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Appends a remark for people. Errors as [`Writer::input`].
    pub fn note(&mut self, at: Moment, text: &str) -> Result<()> {
        self.make_room(at, "a note", text.len())?;
        self.pending.note(at, text);
        self.counts.notes += 1;
        Ok(())
    }

    /// Cuts a frame if events are waiting and [`FLUSH_INTERVAL`] has passed since the last frame. `now` is the time since
    /// any fixed point, from a clock that never goes back. Returns whether a frame was cut.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub fn flush_if_due(&mut self, now: Duration) -> Result<bool> {
        let since = *self.flushed_at.get_or_insert(now);
        if self.pending.is_empty() || now.saturating_sub(since) < FLUSH_INTERVAL {
            return Ok(false);
        }
        self.flush()?;
        self.flushed_at = Some(now);
        Ok(true)
    }

    /// Writes the waiting events as a frame. They then survive the recorder, though not yet a power failure.
    ///
    /// # Errors
    /// [`Error::Write`] when the host fails, [`Error::WriterFailed`] after that.
    pub fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let first = self.pending.first();
        let raw = self.pending.cut();
        self.tail.append(FrameKind::Events, first, &raw)
    }

    /// Closes the recording and brings it to stable storage. `digest` is that of the final state at `at`.
    ///
    /// # Errors
    /// As [`Writer::input`].
    pub fn finish(
        mut self,
        at: Moment,
        digest: Hash,
        reason: ExitReason,
        program_status: Option<u32>,
    ) -> Result<Identity> {
        self.require_in_order(at)?;
        self.flush()?;
        let end = End { at, digest, reason, program_status, counts: self.counts };
        let raw = postcard::to_stdvec(&end).expect("the closing record is plain data");
        self.tail.require_fits("the exit reason", raw.len(), MAX_RAW_LEN as usize)?;
        self.tail.append(FrameKind::End, at, &raw)?;
        self.tail.file.sync_all().map_err(|source| self.tail.write_error(source))?;
        Ok(Identity(self.tail.sealer.link().head))
    }

    fn make_room(&mut self, at: Moment, what: &'static str, bytes: usize) -> Result<()> {
        self.tail.require_usable()?;
        self.require_in_order(at)?;
        self.tail.require_fits(what, bytes, MAX_RECORD_BYTES)?;
        if !self.pending.has_room(bytes) {
            self.flush()?;
        }
        self.last = at;
        Ok(())
    }

    fn require_in_order(&self, at: Moment) -> Result<()> {
        if at >= self.last {
            return Ok(());
        }
        Err(Error::OutOfOrder { path: self.tail.path.clone(), at, last: self.last })
    }
}

impl Drop for Writer {
    /// Saves what is waiting if it can; the recording stays open-ended.
    fn drop(&mut self) {
        if !self.tail.is_failed {
            let _ = self.flush();
        }
    }
}

/// The growing end of the file.
struct Tail {
    file: File,
    path: PathBuf,
    sealer: Sealer,
    is_failed: bool,
}

impl Tail {
    fn new(file: File, path: &Path) -> Result<Tail> {
        let path = path.to_path_buf();
        let sealer = match Sealer::new(Link::start(FORMAT_VERSION)) {
            Ok(sealer) => sealer,
            Err(source) => return Err(Error::Compress { path, source }),
        };
        let mut tail = Tail { file, path, sealer, is_failed: false };
        let written = tail.file.write_all(&superblock(FORMAT_VERSION));
        written.map_err(|source| Error::Write { path: tail.path.clone(), offset: 0, source })?;
        Ok(tail)
    }

    fn append(&mut self, kind: FrameKind, first: Moment, raw: &[u8]) -> Result<()> {
        self.require_usable()?;
        let whole = self.sealer.link().offset;
        let sealed = self.sealer.seal(kind.code(), first, raw);
        let frame = sealed.map_err(|source| Error::Compress { path: self.path.clone(), source })?;
        self.file.write_all(&frame).map_err(|source| {
            self.is_failed = true;
            // Best effort: a torn frame is recognised by any reader, but a file without one needs no explanation.
            let _ = self.file.set_len(whole);
            Error::Write { path: self.path.clone(), offset: whole, source }
        })
    }

    fn require_usable(&self) -> Result<()> {
        if self.is_failed { Err(Error::WriterFailed { path: self.path.clone() }) } else { Ok(()) }
    }

    fn require_fits(&self, what: &'static str, len: usize, max: usize) -> Result<()> {
        if len <= max {
            return Ok(());
        }
        Err(Error::TooLarge { path: self.path.clone(), what, len: len as u64, max: max as u64 })
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), offset: self.sealer.link().offset, source }
    }
}

fn require_images_fit(path: &Path, images: &[Image<'_>]) -> Result<()> {
    for (index, image) in images.iter().enumerate() {
        let len = image.bytes.len() as u64;
        if len > MAX_IMAGE_LEN {
            return Err(Error::TooLarge { path: path.to_path_buf(), what: "an image", len, max: MAX_IMAGE_LEN });
        }
        if images.iter().take(index).any(|other| other.role == image.role) {
            return Err(Error::DuplicateImage { path: path.to_path_buf(), role: image.role.to_string() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_named_once_and_then_the_writer_takes_nothing_more() {
        let path = Path::new("/dev/full");
        let file = File::options().write(true).open(path).expect("/dev/full");
        let sealer = Sealer::new(Link::start(FORMAT_VERSION)).expect("zstd");
        let tail = Tail { file, path: path.into(), sealer, is_failed: false };
        let (pending, last, counts, flushed_at) = (Columns::default(), Moment::ZERO, Counts::default(), None);
        let mut writer = Writer { tail, pending, last, counts, flushed_at };
        writer.note(Moment(1), "one").expect("only buffered");
        let error = writer.flush().expect_err("the disk is full");
        assert!(
            matches!(&error, Error::Write { offset: 16, source, .. } if source.raw_os_error() == Some(libc::ENOSPC))
        );
        assert!(error.to_string().contains("/dev/full"), "{error}");
        assert!(matches!(writer.note(Moment(2), "two"), Err(Error::WriterFailed { .. })));
        let end = writer.finish(Moment(3), [0; 32], ExitReason::Stopped, None);
        assert!(matches!(end, Err(Error::WriterFailed { .. })));
    }
}
