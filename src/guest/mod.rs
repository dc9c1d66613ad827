//! The guest view: what memory and registers tell about the Linux inside a machine, at one Moment, without configuration.
//!
//! Nothing here runs or changes a machine. A [`Profile`] is what is constant for one boot of a kernel: symbols, types,
//! places of members. A [`View`] joins it with one Moment and answers questions. What cannot be told is [`Absent`] with
//! its reason. Guest memory is not trusted: every walk has a bound. How each thing is found: docs/guest.md.

mod absent;
mod btf;
pub mod dump;
mod elf;
mod file;
mod image;
mod kallsyms;
mod layout;
mod maple;
mod memory;
mod mm;
mod module;
mod path;
mod profile;
mod socket;
mod symbol_file;
mod symbols;
mod task;
#[cfg(test)]
mod tests;
mod tree;
mod view;
mod vmcoreinfo;

pub use absent::{Absent, Known, Why};
pub use btf::Types;
pub use file::{Descriptor, Kind};
pub use layout::Member;
pub use memory::{Leaf, PAGE, Physical, Root, Space};
pub use mm::{Backing, Mapping, Memory};
pub use module::{Module, Phase};
pub use profile::{Profile, Vcpu};
pub use socket::{Connection, Socket, SocketType};
pub use symbol_file::symbol_file;
pub use symbols::{Located, Symbol, Symbols};
pub use task::{Credentials, State, Task};
pub use tree::Branch;
pub use view::{Current, Object, View};
