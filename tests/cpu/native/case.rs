//! Plain data: what a case starts from and what it leaves behind.
//!
//! A case is code at a fixed address, a whole user-visible register state, and patches over a fixed background of scratch
//! memory. Equal cases give equal outcomes on one CPU; nothing here depends on the host's address layout.

use std::sync::OnceLock;

use super::random::Random;

/// First address of the two code pages (readable, executable).
pub const CODE_BASE: u64 = 0x2000_0000;
/// Bytes of code memory.
pub const CODE_SIZE: usize = 0x2000;
/// First address of the scratch data pages; everything around them is unmapped.
pub const DATA_BASE: u64 = 0x2001_0000;
/// Bytes of scratch data at the start of the area that can be written.
pub const WRITABLE_SIZE: usize = 0x2000;
/// All bytes of scratch data; the page behind the writable ones is read-only.
pub const DATA_SIZE: usize = 0x3000;
/// What code memory holds where a case has no code: INT3, so that a stray branch ends the case with #BP.
pub const FILLER: u8 = 0xCC;
/// Where the exit jump finds its target (outside of all memory that a case should touch).
pub const EXIT_SLOT: u64 = 0x2100_0000;
/// Bytes of the exit jump that follows the code of a case: `jmp [rip+disp32]`.
pub const EXIT_JUMP_SIZE: usize = 6;

/// RFLAGS bits that a case sets and compares: CF PF AF ZF SF DF OF.
pub const FLAGS: u64 = 0xCD5;
pub const CF: u64 = 1;
pub const PF: u64 = 1 << 2;
pub const AF: u64 = 1 << 4;
pub const ZF: u64 = 1 << 6;
pub const SF: u64 = 1 << 7;
pub const DF: u64 = 1 << 10;
pub const OF: u64 = 1 << 11;

/// General registers by their hardware number.
pub const RAX: usize = 0;
pub const RCX: usize = 1;
pub const RDX: usize = 2;
pub const RBX: usize = 3;
pub const RSP: usize = 4;
pub const RBP: usize = 5;
pub const RSI: usize = 6;
pub const RDI: usize = 7;

/// The 512-byte image of FXSAVE64 (SDM vol. 1, 10.5.1): x87, MMX, XMM and MXCSR.
///
/// MXCSR_MASK, reserved bytes and the unused upper bytes of the ST slots are always 0 here.
#[repr(C, align(16))]
#[derive(Clone, PartialEq, Eq)]
pub struct FxImage(pub [u8; 512]);

impl FxImage {
    /// FPU after FNINIT, MXCSR 1F80h, all registers 0.
    pub fn initial() -> Self {
        let mut image = FxImage([0; 512]);
        image.set_fcw(0x37F);
        image.set_mxcsr(0x1F80);
        image
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// x87 control word.
    pub fn fcw(&self) -> u16 {
        self.word(0)
    }
    pub fn set_fcw(&mut self, value: u16) {
        self.0[0..2].copy_from_slice(&value.to_le_bytes());
    }
    /// x87 status word.
    pub fn fsw(&self) -> u16 {
        self.word(2)
    }
    pub fn set_fsw(&mut self, value: u16) {
        self.0[2..4].copy_from_slice(&value.to_le_bytes());
    }
    /// Abridged tag byte: bit n set when physical register n is not empty.
    pub fn set_ftw(&mut self, value: u8) {
        self.0[4] = value;
    }
    /// What an MMX instruction does first: TOP 0, no register empty. The registers stay, so ST(i) is numbered anew.
    pub fn enter_mmx(&mut self) {
        let top = usize::from(self.fsw() >> 11 & 7);
        let by_st: [[u8; 10]; 8] = std::array::from_fn(|i| self.st(i));
        for (i, value) in by_st.into_iter().enumerate() {
            self.set_st((top + i) % 8, value);
        }
        self.set_fsw(self.fsw() & !0x3800);
        self.set_ftw(0xFF);
    }
    pub fn mxcsr(&self) -> u32 {
        u32::from_le_bytes(self.0[24..28].try_into().expect("four bytes"))
    }
    pub fn set_mxcsr(&mut self, value: u32) {
        self.0[24..28].copy_from_slice(&value.to_le_bytes());
    }
    /// The ten bytes of ST(i) (relative to TOP, as FXSAVE stores them).
    pub fn st(&self, i: usize) -> [u8; 10] {
        self.0[32 + 16 * i..][..10].try_into().expect("ten bytes")
    }
    pub fn set_st(&mut self, i: usize, value: [u8; 10]) {
        self.0[32 + 16 * i..][..10].copy_from_slice(&value);
    }
    pub fn xmm(&self, i: usize) -> u128 {
        u128::from_le_bytes(self.0[160 + 16 * i..][..16].try_into().expect("sixteen bytes"))
    }
    pub fn set_xmm(&mut self, i: usize, value: u128) {
        self.0[160 + 16 * i..][..16].copy_from_slice(&value.to_le_bytes());
    }

    /// Clears what FXSAVE leaves open: reserved bytes, MXCSR_MASK, upper bytes of ST slots.
    pub fn normalise(&mut self) {
        self.0[5] = 0;
        self.0[28..32].fill(0);
        for i in 0..8 {
            self.0[32 + 16 * i + 10..32 + 16 * i + 16].fill(0);
        }
        self.0[416..].fill(0);
    }
}

impl std::fmt::Debug for FxImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fcw={:04x} fsw={:04x} mxcsr={:08x}", self.fcw(), self.fsw(), self.mxcsr())
    }
}

/// The registers that user code sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// By hardware number: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15.
    pub gpr: [u64; 16],
    pub rip: u64,
    /// Only the bits of [`FLAGS`].
    pub rflags: u64,
    pub fx: FxImage,
}

impl State {
    /// All registers 0, FPU and MXCSR initial, RIP at `CODE_BASE`.
    pub fn initial() -> Self {
        State { gpr: [0; 16], rip: CODE_BASE, rflags: 0, fx: FxImage::initial() }
    }
}

/// Bytes at an offset from `DATA_BASE`: a patch over the background, or a change that a case made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    pub offset: u32,
    pub bytes: Vec<u8>,
}

/// How many instructions a case retires when it reaches its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retires {
    /// Straight-line code without repeated string instructions.
    Exactly(u32),
    /// The code has branches or a REP prefix; holds the number of instructions in the code.
    Varies(u32),
}

/// One instruction or short block with everything that it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub seed: u64,
    pub number: u64,
    /// The instructions, placed at `before.rip`, followed by the exit jump.
    pub code: Vec<u8>,
    pub retires: Retires,
    pub before: State,
    /// Applied in order over [`background`].
    pub memory: Vec<Bytes>,
}

impl Case {
    /// A hand-written case at `CODE_BASE` from the initial state.
    pub fn of_code(code: &[u8], instructions: u32) -> Self {
        Case {
            seed: 0,
            number: 0,
            code: code.to_vec(),
            retires: Retires::Exactly(instructions),
            before: State::initial(),
            memory: Vec::new(),
        }
    }

    /// Offset of the first instruction in code memory.
    pub fn entry(&self) -> usize {
        (self.before.rip - CODE_BASE) as usize
    }

    /// The address behind the last instruction: a case that gets here is done.
    pub fn end(&self) -> u64 {
        self.before.rip + self.code.len() as u64
    }

    /// The code followed by the exit jump, as it lies at `before.rip`.
    pub fn code_with_exit(&self) -> Vec<u8> {
        let mut bytes = self.code.clone();
        let next = self.end() + EXIT_JUMP_SIZE as u64;
        bytes.extend_from_slice(&[0xFF, 0x25]);
        bytes.extend_from_slice(&(EXIT_SLOT.wrapping_sub(next) as u32).to_le_bytes());
        bytes
    }

    /// All of code memory.
    pub fn code_image(&self) -> Vec<u8> {
        let mut image = vec![FILLER; CODE_SIZE];
        let bytes = self.code_with_exit();
        image[self.entry()..self.entry() + bytes.len()].copy_from_slice(&bytes);
        image
    }

    /// All of scratch data before the case runs.
    pub fn data_image(&self) -> Vec<u8> {
        let mut image = background().to_vec();
        for patch in &self.memory {
            image[patch.offset as usize..][..patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        image
    }
}

/// An exception, as the CPU reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub vector: u8,
    /// 0 for vectors without an error code.
    pub error: u64,
    /// CR2, for #PF only.
    pub address: Option<u64>,
}

/// Why a case stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// RIP reached `Case::end`.
    Reached,
    Fault(Fault),
}

/// What a case leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// RIP is that of the faulting instruction, or behind it for traps (#BP).
    pub state: State,
    /// Maximal runs of data bytes that differ from before, by ascending offset ([`changes`]).
    pub memory: Vec<Bytes>,
    pub end: End,
    /// Retired instructions, when the CPU can tell (the host cannot).
    pub retired: Option<u64>,
}

/// The fixed random bytes that data memory holds under the patches.
pub fn background() -> &'static [u8; DATA_SIZE] {
    static BACKGROUND: OnceLock<Box<[u8; DATA_SIZE]>> = OnceLock::new();
    BACKGROUND.get_or_init(|| {
        let mut random = Random::for_case(0, 0);
        let mut bytes = Box::new([0; DATA_SIZE]);
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes());
        }
        bytes
    })
}

/// Maximal runs of bytes in which `after` differs from `before`, holding the bytes of `after`.
pub fn changes(before: &[u8], after: &[u8]) -> Vec<Bytes> {
    const CHUNK: usize = 256;
    let mut runs: Vec<Bytes> = Vec::new();
    for (n, (old, new)) in before.chunks(CHUNK).zip(after.chunks(CHUNK)).enumerate() {
        if old == new {
            continue;
        }
        for (i, (a, b)) in old.iter().zip(new).enumerate().filter(|(_, (a, b))| a != b) {
            debug_assert_ne!(a, b);
            let offset = (n * CHUNK + i) as u32;
            match runs.last_mut() {
                Some(run) if run.offset + run.bytes.len() as u32 == offset => run.bytes.push(*b),
                _ => runs.push(Bytes { offset, bytes: vec![*b] }),
            }
        }
    }
    runs
}
