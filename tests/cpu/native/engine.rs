//! What a CPU under test has to offer to be compared with the host.

use super::case::{Case, Outcome};

/// A CPU that can run a [`Case`].
///
/// The world of a case is 64-bit user mode (CPL 3, `CS.L` = 1, flat segments, FS and GS bases 0, CR0.NE = 1,
/// CR0.AM = 1, CR4.OSFXSR = OSXMMEXCPT = 1, IOPL 0, IF = 1) with only these pages mapped:
/// `CODE_BASE..+CODE_SIZE` readable and executable (`Case::code_image`), `DATA_BASE..+WRITABLE_SIZE` readable and
/// writable, the rest of `DATA_BASE..+DATA_SIZE` read-only (`Case::data_image`); data pages are no-execute.
pub trait Engine {
    /// Runs from `case.before` until RIP equals `case.end()` or an exception is raised, whichever is first.
    fn run(&mut self, case: &Case) -> Outcome;
}
