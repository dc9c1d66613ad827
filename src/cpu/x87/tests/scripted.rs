//! A context whose memory operand is a buffer and whose stops can be told apart.

use crate::cpu::x87::X87Context;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    Memory,
    MathFault,
    InvalidOpcode,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scripted {
    pub memory: [u8; 128],
    pub flags: u64,
    pub ax: u16,
    pub faulting: bool,
    pub protected: bool,
}

impl Scripted {
    pub fn new(memory: [u8; 128]) -> Self {
        Self { memory, flags: 0, ax: 0, faulting: false, protected: true }
    }
}

impl X87Context for Scripted {
    type Stop = Stop;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        if self.faulting {
            return Err(Stop::Memory);
        }
        bytes.copy_from_slice(&self.memory[..bytes.len()]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.faulting {
            return Err(Stop::Memory);
        }
        self.memory[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn probe_write(&mut self, len: usize) -> Result<(), Stop> {
        assert!(len <= self.memory.len());
        if self.faulting { Err(Stop::Memory) } else { Ok(()) }
    }

    fn rflags(&self) -> u64 {
        self.flags
    }

    fn set_comparison_flags(&mut self, zf: bool, pf: bool, cf: bool) {
        self.flags = u64::from(zf) << 6 | u64::from(pf) << 2 | u64::from(cf);
    }

    fn set_ax(&mut self, value: u16) {
        self.ax = value;
    }

    fn instruction_offset(&self) -> u64 {
        0x1234_5678_9abc
    }

    fn operand_offset(&self) -> u64 {
        0x7fff_0123_4567
    }

    fn opcode(&self) -> u16 {
        0x7ab
    }

    fn is_protected(&self) -> bool {
        self.protected
    }

    fn math_fault(&mut self) -> Stop {
        Stop::MathFault
    }

    fn invalid_opcode(&mut self) -> Stop {
        Stop::InvalidOpcode
    }
}
