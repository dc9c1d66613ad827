//! A fact that cannot be had, and why. Nothing in this room guesses: it knows, or it says this.

/// A fact, or the reason that it is not there.
pub type Known<T> = Result<T, Absent>;

/// What cannot be told, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Absent {
    /// The fact, in the kernel's words where it has some ("task_struct.mm").
    pub what: &'static str,
    /// The reason.
    pub why: Why,
}

/// Why a fact is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Too early, or not a 64-bit guest.
    #[error("no 64-bit kernel is up at this Moment (IA32_LSTAR is 0, or paging is off); try a later one")]
    NoKernel,
    /// The symbol table has another shape, or there is none.
    #[error("the kernel in memory is not a Linux that reenact knows: {clue}")]
    NotLinux {
        /// What was looked for and not found.
        clue: String,
    },
    /// A profile of another kernel, or of another boot.
    #[error(
        "another kernel runs than the one that was looked at (its system call entry is {found:#x}, not {expected:#x})"
    )]
    OtherKernel {
        /// IA32_LSTAR now.
        found: u64,
        /// IA32_LSTAR of the profile.
        expected: u64,
    },
    /// kallsyms has no such name.
    #[error("the kernel has no symbol \"{name}\"")]
    NoSymbol {
        /// The name.
        name: &'static str,
    },
    /// No BTF.
    #[error("the kernel carries no type information (BTF): {clue}")]
    NoTypes {
        /// What was looked for and not found.
        clue: String,
    },
    /// BTF has no such member.
    #[error("the kernel's type information has no {type_name}.{path}")]
    NoMember {
        /// The structure.
        type_name: &'static str,
        /// The member.
        path: &'static str,
    },
    /// A page is not in this address space: not yet read from its file, or swapped out, or never there.
    #[error("address {at:#x} is not mapped to RAM at this Moment")]
    NotMapped {
        /// The virtual address.
        at: u64,
    },
    /// A pointer that leads nowhere.
    #[error("the pointer at {at:#x} is null")]
    Null {
        /// Where the pointer is.
        at: u64,
    },
    /// The walk was stopped.
    #[error("more than {limit} entries, or one that comes twice: what is in memory is not such a structure")]
    Endless {
        /// Where it stopped.
        limit: usize,
    },
    /// Bytes that cannot be what they should be.
    #[error("what is at {at:#x} is not {expected}")]
    Broken {
        /// The virtual address.
        at: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// A fact that this kind of thing does not have.
    #[error("{who} has none")]
    NotApplicable {
        /// The kind of thing.
        who: &'static str,
    },
    /// A kind that this room cannot read.
    #[error("{kind} is not supported")]
    Unsupported {
        /// The kind.
        kind: String,
    },
}

impl Why {
    /// This reason, for the fact `what`.
    pub fn for_fact(self, what: &'static str) -> Absent {
        Absent { what, why: self }
    }
}
