//! What a plugin is, and how the host drives one without knowing its types.

use crate::{Argument, ArgumentError, Arguments, Event, Rows, Scene, Table, Wants};
use std::any::Any;

/// What a plugin says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name: that of its folder.
    pub name: &'static str,
    /// Raised whenever the rows that it makes change; tables of other versions are made anew.
    pub version: u32,
    /// One sentence.
    pub summary: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// What it makes.
    pub tables: &'static [Table],
    /// Its tables are made by `reenact index` and by the first question; else only by `reenact run`.
    pub is_default: bool,
}

/// An analysis that can be asked for.
pub trait Plugin: Send + Sync {
    /// What it is.
    fn about(&self) -> About;
    /// Makes it ready to run.
    ///
    /// # Errors
    /// A sentence about the argument that will not do.
    fn prepare(&self, arguments: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError>;
}

/// An analysis with its arguments. It does not change; the slices that are seen at once share it.
pub trait Analysis: Send + Sync + 'static {
    /// What is kept while one slice is seen: caches, and sets of what was already noted. It must not change what a note says.
    type Slice: Send;
    /// What is noted of an event.
    type Note: Send + 'static;
    /// What is kept while all notes are joined.
    type Join: Send;

    /// What it wants to see.
    fn wants(&self) -> Wants;
    /// In front of the first event of a slice.
    fn begin(&self, scene: &dyn Scene) -> Self::Slice;
    /// An event that it wants to see. It writes down notes, or, where nothing is to be joined, rows at once.
    fn see(&self, slice: &mut Self::Slice, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Self::Note>);
    /// Behind the last event of a slice.
    fn finish(&self, _slice: Self::Slice, _scene: &dyn Scene, _out: &mut Out<'_, Self::Note>) {}
    /// In front of the first note of all.
    fn start(&self) -> Self::Join;
    /// A note; they come in the order in which they were written down, slice by slice.
    fn join(&self, join: &mut Self::Join, note: Self::Note, rows: &mut dyn Rows);
    /// Behind the last note. `moment` is the end of the recording.
    fn end(&self, _join: Self::Join, _moment: u64, _rows: &mut dyn Rows) {}
}

/// Where `see` writes.
pub struct Out<'a, N> {
    /// For `join`.
    pub notes: &'a mut Vec<N>,
    /// Rows that need no joining. A table is filled from here or from `join`, not from both.
    pub rows: &'a mut dyn Rows,
}

/// Notes of one slice on their way to the join.
pub type Notes = Box<dyn Any + Send>;

/// An [`Analysis`] whose types are not known.
pub trait Runnable: Send + Sync {
    /// What it wants to see.
    fn wants(&self) -> Wants;
    /// Starts on a slice.
    fn begin<'a>(&'a self, scene: &dyn Scene) -> Box<dyn ErasedSlice + 'a>;
    /// Starts to join.
    fn start<'a>(&'a self) -> Box<dyn ErasedJoin + 'a>;
}

/// One slice of an analysis.
pub trait ErasedSlice: Send {
    /// Shows it an event.
    fn see(&mut self, event: &Event<'_>, scene: &dyn Scene, rows: &mut dyn Rows);
    /// Notes that wait to be taken.
    fn waiting(&self) -> usize;
    /// Takes the notes that it has so far.
    fn take(&mut self) -> Notes;
    /// Ends it; takes what is left.
    fn finish(self: Box<Self>, scene: &dyn Scene, rows: &mut dyn Rows) -> Notes;
}

/// The join of an analysis.
pub trait ErasedJoin: Send {
    /// Takes notes in; those of slices in their order.
    fn join(&mut self, notes: Notes, rows: &mut dyn Rows);
    /// Ends it.
    fn end(self: Box<Self>, moment: u64, rows: &mut dyn Rows);
}

/// Makes an analysis one that the host can run.
pub fn runnable(analysis: impl Analysis) -> Box<dyn Runnable> {
    Box::new(Erased(analysis))
}

/// An analysis behind [`Runnable`].
pub struct Erased<A>(A);

struct Slice<'a, A: Analysis> {
    analysis: &'a A,
    state: A::Slice,
    notes: Vec<A::Note>,
}

struct Join<'a, A: Analysis> {
    analysis: &'a A,
    state: A::Join,
}

impl<A: Analysis> Runnable for Erased<A> {
    fn wants(&self) -> Wants {
        self.0.wants()
    }
    fn begin<'a>(&'a self, scene: &dyn Scene) -> Box<dyn ErasedSlice + 'a> {
        Box::new(Slice { analysis: &self.0, state: self.0.begin(scene), notes: Vec::new() })
    }
    fn start<'a>(&'a self) -> Box<dyn ErasedJoin + 'a> {
        Box::new(Join { analysis: &self.0, state: self.0.start() })
    }
}

impl<A: Analysis> ErasedSlice for Slice<'_, A> {
    fn see(&mut self, event: &Event<'_>, scene: &dyn Scene, rows: &mut dyn Rows) {
        self.analysis.see(&mut self.state, event, scene, &mut Out { notes: &mut self.notes, rows });
    }
    fn waiting(&self) -> usize {
        self.notes.len()
    }
    fn take(&mut self) -> Notes {
        Box::new(std::mem::take(&mut self.notes))
    }
    fn finish(self: Box<Self>, scene: &dyn Scene, rows: &mut dyn Rows) -> Notes {
        let Slice { analysis, state, mut notes } = *self;
        analysis.finish(state, scene, &mut Out { notes: &mut notes, rows });
        Box::new(notes)
    }
}

impl<A: Analysis> ErasedJoin for Join<'_, A> {
    fn join(&mut self, notes: Notes, rows: &mut dyn Rows) {
        let notes: Box<Vec<A::Note>> = notes.downcast().expect("the host gives an analysis its own notes");
        notes.into_iter().for_each(|note| self.analysis.join(&mut self.state, note, rows));
    }
    fn end(self: Box<Self>, moment: u64, rows: &mut dyn Rows) {
        self.analysis.end(self.state, moment, rows);
    }
}
