//! The processor as gdb is told it is: one layout of registers in every mode, because gdb fixes it when it connects.
//!
//! The order is that of `target.xml`. What a mode does not have (the upper halves of registers in 32-bit code) reads as
//! what the processor holds there.

use crate::session::Registers;
use gdbstub::arch::Arch;

/// ES, CS, SS, DS, FS, GS in the processor's numbering.
mod seg {
    pub const ES: usize = 0;
    pub const CS: usize = 1;
    pub const SS: usize = 2;
    pub const DS: usize = 3;
    pub const FS: usize = 4;
    pub const GS: usize = 5;
}

/// gdb's order of the general registers, as the processor's numbers: rax rbx rcx rdx rsi rdi rbp rsp r8 to r15.
const GENERAL: [usize; 16] = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/// x86-64 with the system registers.
pub enum X86 {}

impl Arch for X86 {
    type Usize = u64;
    type Registers = RegisterFile;
    type BreakpointKind = usize;
    type RegId = ();

    fn target_description_xml() -> Option<&'static str> {
        Some(include_str!("target.xml"))
    }
}

/// The content of a `g` packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisterFile {
    rip: u64,
    bytes: Vec<u8>,
}

impl RegisterFile {
    /// Outside 64-bit mode `rip` is the linear address, so that breakpoints and disassembly agree with it where the
    /// code segment has a base.
    pub fn new(r: &Registers) -> RegisterFile {
        let mut file = RegisterFile { rip: r.linear_rip(), bytes: Vec::with_capacity(640) };
        file.core(r);
        file.x87(r);
        file.sse(r);
        for base in [r.segments[seg::FS].base, r.segments[seg::GS].base, r.kernel_gs_base] {
            file.u64(base);
        }
        for control in [r.cr0, r.cr2, r.cr3, r.cr4, r.cr8, r.efer] {
            file.u64(control);
        }
        file
    }

    fn core(&mut self, r: &Registers) {
        for i in GENERAL {
            self.u64(r.general[i]);
        }
        self.u64(self.rip);
        self.u32(r.rflags as u32);
        for i in [seg::CS, seg::SS, seg::DS, seg::ES, seg::FS, seg::GS] {
            self.u32(u32::from(r.segments[i].selector));
        }
    }

    fn x87(&mut self, r: &Registers) {
        let x = &r.x87;
        for st in &x.st {
            self.bytes.extend_from_slice(st);
        }
        // The upper halves of the pointers stand where FXSAVE64 has them: in the place of the selectors.
        let selector = |pointer: u64| (pointer >> 32) as u32 & 0xffff;
        let words = [
            u32::from(x.fcw),
            u32::from(x.fsw),
            u32::from(x.ftw),
            selector(x.fip),
            x.fip as u32,
            selector(x.fdp),
            x.fdp as u32,
            u32::from(x.fop),
        ];
        for word in words {
            self.u32(word);
        }
    }

    fn sse(&mut self, r: &Registers) {
        for xmm in r.xmm {
            self.bytes.extend_from_slice(&xmm.to_le_bytes());
        }
        self.u32(r.mxcsr);
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
}

impl gdbstub::arch::Registers for RegisterFile {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.rip
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for byte in &self.bytes {
            write_byte(Some(*byte));
        }
        // orig_rax is not the processor's: it is shown as unavailable.
        for _ in 0..8 {
            write_byte(None);
        }
    }

    /// Registers are never written: see [`super::beside`].
    fn gdb_deserialize(&mut self, _: &[u8]) -> Result<(), ()> {
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_g_packet_has_the_size_that_the_description_promises() {
        let xml = X86::target_description_xml().expect("there is one");
        let bits: usize =
            xml.split("bitsize=\"").skip(1).filter_map(|s| s.split('"').next()?.parse::<usize>().ok()).sum();
        let session = crate::gdb::tests::session("timers");
        let file = session.ask(|seat| Ok(RegisterFile::new(&seat.registers()))).expect("it answers");
        let mut sent = 0;
        gdbstub::arch::Registers::gdb_serialize(&file, |_| sent += 8);
        assert_eq!(sent, bits);
    }
}
