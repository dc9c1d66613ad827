//! What happens in a machine, as an analysis sees it, and how it says what it wants to see.

/// How a system call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// SYSCALL in 64-bit mode: number in RAX, arguments in RDI RSI RDX R10 R8 R9.
    X86_64,
    /// INT 0x80, SYSENTER or SYSCALL of compatibility mode: the i386 table, arguments in EBX ECX EDX ESI EDI EBP.
    I386,
}

/// Something that happened. The machine stands right behind it, unless said otherwise; numbers are as the CPU had them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A program made a system call. The CPU stands at the kernel's first instruction, and only RCX, R11 (and what
    /// a gate pushes) have changed.
    Syscall {
        /// The table that the number is of.
        abi: Abi,
        /// The number, as it stood in RAX; 32 bits count.
        number: u32,
        /// The arguments.
        arguments: [u64; 6],
        /// Where the program goes on: the instruction behind.
        return_to: u64,
    },
    /// The CPU entered CPL 3: a system call, an interrupt or a fault returned, or a new thread starts. The registers are
    /// the program's.
    UserReturn,
    /// An exception or interrupt was delivered; the CPU stands at its handler's first instruction.
    Interrupt {
        /// 0..=255.
        vector: u8,
        /// The error code, if this one pushes one.
        error: Option<u32>,
        /// CR2, for page faults.
        address: Option<u64>,
        /// It came from a device (INTR, NMI), not from an instruction.
        is_external: bool,
        /// It was an INT n, INT3 or INTO.
        is_software: bool,
        /// Where the interrupted code goes on.
        rip: u64,
        /// The interrupted code was at CPL 3.
        from_user: bool,
    },
    /// The kernel is about to switch threads: the CPU stands at the first instruction of `__switch_to_asm`.
    Switch {
        /// The address of the `task_struct` that stops running.
        from: u64,
        /// Of the one that runs next.
        to: u64,
    },
    /// The CPU is about to execute the first instruction of the kernel function that was asked for, by its number in
    /// [`Wants::functions`]. Arguments are in RDI, RSI, RDX, RCX, R8, R9.
    Function {
        /// Which.
        index: usize,
    },
    /// Instructions were executed one behind the other. The Moment is that in front of the first.
    Block {
        /// The linear address of the first.
        from: u64,
        /// The address behind the last that retired.
        to: u64,
    },
    /// An instruction is about to be executed.
    Instruction {
        /// Its linear address.
        at: u64,
    },
    /// Bytes of RAM were read or are written, at most 8 at a time and never across a page. For an instruction that does
    /// both, in its order. The registers are those in front of the instruction.
    Memory {
        /// Linear address; none for page-table accesses of the CPU itself.
        linear: Option<u64>,
        /// Guest-physical address.
        physical: u64,
        /// 1..=8.
        size: u8,
        /// It is a write.
        is_write: bool,
        /// What was there, little-endian.
        old: u64,
        /// What is there then.
        new: u64,
    },
    /// An I/O port was read or written.
    Port {
        /// 0..=65535.
        port: u16,
        /// 1, 2 or 4.
        size: u8,
        /// It is an OUT.
        is_write: bool,
        /// What was read or written.
        value: u32,
    },
    /// A device register in memory was read or written.
    Mmio {
        /// Guest-physical address.
        physical: u64,
        /// 1..=8.
        size: u8,
        /// It is a write.
        is_write: bool,
        /// What was read or written.
        value: u64,
    },
    /// The guest sent bytes to its first serial port.
    Console {
        /// At least one.
        bytes: &'a [u8],
    },
    /// The CPU was halted, and time passed without instructions.
    Idle {
        /// Guest time since power-on, behind it, in nanoseconds.
        until_ns: u64,
    },
}

/// Whose addresses a range of memory is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Linear addresses, in whatever address space.
    Linear,
    /// Guest-physical addresses.
    Physical,
}

/// Bytes of memory to be shown accesses of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// What the addresses are.
    pub whose: Whose,
    /// The first byte.
    pub from: u64,
    /// The last byte.
    pub last: u64,
}

impl MemoryRange {
    /// All of memory.
    pub const ALL: MemoryRange = MemoryRange { whose: Whose::Physical, from: 0, last: u64::MAX };
}

/// What an analysis wants to see. What nobody wants costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// [`Event::Syscall`].
    pub syscalls: bool,
    /// [`Event::UserReturn`].
    pub user_returns: bool,
    /// [`Event::Interrupt`].
    pub interrupts: bool,
    /// [`Event::Switch`]; needs a Linux kernel.
    pub switches: bool,
    /// [`Event::Function`] for kernel functions by name; those that the kernel does not have are never called.
    pub functions: Vec<&'static str>,
    /// [`Event::Block`]; slow.
    pub blocks: bool,
    /// [`Event::Instruction`]; slower.
    pub instructions: bool,
    /// [`Event::Memory`] for reads of these bytes; slow in proportion to the accesses of their pages.
    pub reads: Vec<MemoryRange>,
    /// [`Event::Memory`] for writes.
    pub writes: Vec<MemoryRange>,
    /// [`Event::Port`].
    pub ports: bool,
    /// [`Event::Mmio`].
    pub mmio: bool,
    /// [`Event::Console`].
    pub console: bool,
    /// [`Event::Idle`].
    pub idle: bool,
    /// It cannot do without Linux: where there is none, its tables are not made, and the user is told why.
    pub needs_linux: bool,
    /// `see` needs what it saw before: all events in one sequential pass, on one core.
    pub in_order: bool,
}

impl Wants {
    /// True if nearly every instruction brings an event, so that looking takes much longer than replaying.
    pub fn is_dense(&self) -> bool {
        const MANY: u64 = 1 << 28;
        let is_long = |ranges: &[MemoryRange]| ranges.iter().any(|range| range.last - range.from >= MANY);
        self.instructions || is_long(&self.reads) || is_long(&self.writes)
    }
}
