//! The x87 unit's side of the processor: its operands, flags and addresses come from here.

use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::{Flags, bit};
use crate::cpu::op::{Op, Slow};
use crate::cpu::x87::{X87Context, execute};
use iced_x86::Instruction;

/// Executes one x87 instruction.
pub const INSTRUCTION: Slow = |cpu, op, insn| {
    let mut unit = std::mem::take(&mut cpu.x87);
    let result = execute(&mut unit, insn, &mut Context { cpu, op });
    cpu.x87 = unit;
    result
};

struct Context<'a> {
    cpu: &'a mut Cpu,
    op: &'a Op,
}

impl X87Context for Context<'_> {
    type Stop = Stop;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        let la = self.cpu.operand_address(self.op, bytes.len() as u64, false)?;
        self.cpu.read_bytes(la, self.op.seg, bytes)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let la = self.cpu.operand_address(self.op, bytes.len() as u64, true)?;
        self.cpu.write_bytes(la, self.op.seg, bytes)
    }
    fn probe_write(&mut self, len: usize) -> Result<(), Stop> {
        let la = self.cpu.operand_address(self.op, len as u64, true)?;
        self.cpu.probe_write(la, self.op.seg, len)
    }
    fn rflags(&self) -> u64 {
        self.cpu.rflags()
    }
    fn set_comparison_flags(&mut self, zf: bool, pf: bool, cf: bool) {
        let set = |mask: u64, on: bool| if on { mask } else { 0 };
        self.cpu.flags = Flags::from_bits(set(bit::ZF, zf) | set(bit::PF, pf) | set(bit::CF, cf));
    }
    fn set_ax(&mut self, value: u16) {
        self.cpu.set_reg(0, value);
    }
    fn instruction_offset(&self) -> u64 {
        self.cpu.rip.wrapping_sub(u64::from(self.op.len)) & self.cpu.rip_mask()
    }
    fn operand_offset(&self) -> u64 {
        self.cpu.offset(self.op)
    }
    /// Read from the code itself, behind its prefixes.
    fn opcode(&self) -> u16 {
        let base = if self.cpu.is_64bit() { 0 } else { self.cpu.state.seg[1].base };
        let start = base.wrapping_add(self.instruction_offset());
        let byte = |i: u64| {
            let mut b = [0];
            let gpa = self.cpu.translate_quietly(start.wrapping_add(i))?;
            self.cpu.phys.read(gpa, &mut b).map(|()| b[0])
        };
        let mut code = (0..u64::from(self.op.len)).filter_map(byte).skip_while(|b| !(0xd8..=0xdf).contains(b));
        let (first, modrm) = (code.next().unwrap_or(0), code.next().unwrap_or(0));
        u16::from(first & 7) << 8 | u16::from(modrm)
    }
    fn is_protected(&self) -> bool {
        self.cpu.is_protected() && !self.cpu.is_v86()
    }
    fn math_fault(&mut self) -> Stop {
        // CR0.NE clear asks for the external interrupt of the AT; the model always reports inside (docs/deviations.md).
        self.refuse(Fault::mf())
    }
    fn invalid_opcode(&mut self) -> Stop {
        self.refuse(Fault::ud())
    }
}

impl Context<'_> {
    fn refuse(&mut self, fault: Fault) -> Stop {
        match self.cpu.fault::<()>(fault) {
            Err(stop) => stop,
            Ok(()) => unreachable!("a fault never succeeds"),
        }
    }
}

/// The x87 instruction, if it is one.
pub fn select(insn: &Instruction) -> Option<Slow> {
    crate::cpu::decode::is_x87(insn).then_some(INSTRUCTION)
}
