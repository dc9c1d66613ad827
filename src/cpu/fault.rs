//! Exceptions as values, and the token that a handler returns when its instruction did not complete.

/// An exception to be delivered to the guest (Intel SDM vol. 3, chapter 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Vector 0..=31.
    pub vector: u8,
    /// The error code of those vectors that push one.
    pub code: Option<u32>,
    /// The linear address for CR2, for page faults only.
    pub address: Option<u64>,
}

/// Exception vectors (SDM vol. 3, table 6-1).
pub mod vector {
    #![allow(missing_docs)]
    pub const DE: u8 = 0;
    pub const DB: u8 = 1;
    pub const NMI: u8 = 2;
    pub const BP: u8 = 3;
    pub const OF: u8 = 4;
    pub const BR: u8 = 5;
    pub const UD: u8 = 6;
    pub const NM: u8 = 7;
    pub const DF: u8 = 8;
    pub const TS: u8 = 10;
    pub const NP: u8 = 11;
    pub const SS: u8 = 12;
    pub const GP: u8 = 13;
    pub const PF: u8 = 14;
    pub const MF: u8 = 16;
    pub const AC: u8 = 17;
    pub const XM: u8 = 19;
}

impl Fault {
    const fn plain(vector: u8) -> Fault {
        Fault { vector, code: None, address: None }
    }
    const fn coded(vector: u8, code: u32) -> Fault {
        Fault { vector, code: Some(code), address: None }
    }
    /// #DE, divide error.
    pub const fn de() -> Fault {
        Fault::plain(vector::DE)
    }
    /// #UD, invalid opcode.
    pub const fn ud() -> Fault {
        Fault::plain(vector::UD)
    }
    /// #NM, device not available.
    pub const fn nm() -> Fault {
        Fault::plain(vector::NM)
    }
    /// #BR, BOUND range exceeded.
    pub const fn br() -> Fault {
        Fault::plain(vector::BR)
    }
    /// #MF, x87 error.
    pub const fn mf() -> Fault {
        Fault::plain(vector::MF)
    }
    /// #XM, SIMD floating-point error.
    pub const fn xm() -> Fault {
        Fault::plain(vector::XM)
    }
    /// #TS with a selector error code.
    pub const fn ts(code: u32) -> Fault {
        Fault::coded(vector::TS, code)
    }
    /// #NP with a selector error code.
    pub const fn np(code: u32) -> Fault {
        Fault::coded(vector::NP, code)
    }
    /// #SS with a selector error code, or 0.
    pub const fn ss(code: u32) -> Fault {
        Fault::coded(vector::SS, code)
    }
    /// #GP with a selector error code, or 0.
    pub const fn gp(code: u32) -> Fault {
        Fault::coded(vector::GP, code)
    }
    /// #AC, alignment check; its error code is always 0.
    pub const fn ac() -> Fault {
        Fault::coded(vector::AC, 0)
    }
    /// #PF at a linear address.
    pub const fn pf(address: u64, code: u32) -> Fault {
        Fault { vector: vector::PF, code: Some(code), address: Some(address) }
    }
}

/// The instruction did not complete; why is in `Cpu::pending`. Zero-sized so that results stay in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Why an instruction did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pending {
    /// Nothing waits.
    #[default]
    Nothing,
    /// The exception is to be delivered.
    Fault(Fault),
    /// The instruction touches something that needs it to stand alone in its block (device memory, a page
    /// table in use, translated code, a watched page); it is run again that way.
    Alone,
}
