//! FXSAVE, FXRSTOR, LDMXCSR, STMXCSR.

use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::{Op, Slow};
use crate::cpu::state::cr;
use crate::cpu::x87::FxForm;
use iced_x86::{Instruction, Mnemonic};

/// MXCSR bits that exist; others fault when set (SDM vol. 1, 10.2.3).
pub const MXCSR_MASK: u32 = 0xffff;

fn form(insn: &Instruction) -> FxForm {
    if matches!(insn.mnemonic(), Mnemonic::Fxsave64 | Mnemonic::Fxrstor64) { FxForm::Wide } else { FxForm::Narrow }
}

/// XMM registers in the image: all sixteen in 64-bit mode, else eight.
fn registers(cpu: &Cpu) -> usize {
    if cpu.is_64bit() { 16 } else { 8 }
}

fn address(cpu: &mut Cpu, op: &Op, is_write: bool) -> Result<u64, Stop> {
    let la = cpu.operand_address(op, 512, is_write)?;
    if la % 16 != 0 { cpu.fault(Fault::gp(0)) } else { Ok(la) }
}

fn fxsave(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let la = address(cpu, op, true)?;
    let mut image = [0; 512];
    // Bytes that FXSAVE does not write keep what memory holds.
    cpu.probe_write(la, op.seg, 512)?;
    cpu.read_bytes(la, op.seg, &mut image)?;
    cpu.x87.store_fxsave(form(insn), &mut image);
    if cpu.state.cr4 & cr::CR4_OSFXSR != 0 {
        image[24..28].copy_from_slice(&cpu.mxcsr.to_le_bytes());
        image[28..32].copy_from_slice(&MXCSR_MASK.to_le_bytes());
        for i in 0..registers(cpu) {
            image[160 + 16 * i..][..16].copy_from_slice(&cpu.xmm[i].to_le_bytes());
        }
    }
    cpu.write_bytes(la, op.seg, &image)
}

fn fxrstor(cpu: &mut Cpu, op: &Op, insn: &Instruction) -> Result<(), Stop> {
    let la = address(cpu, op, false)?;
    let mut image = [0; 512];
    cpu.read_bytes(la, op.seg, &mut image)?;
    let word = |at: usize| u32::from_le_bytes([image[at], image[at + 1], image[at + 2], image[at + 3]]);
    if cpu.state.cr4 & cr::CR4_OSFXSR != 0 {
        if word(24) & !MXCSR_MASK != 0 {
            return cpu.fault(Fault::gp(0));
        }
        cpu.mxcsr = word(24);
        for i in 0..registers(cpu) {
            let bytes = image[160 + 16 * i..][..16].try_into().expect("sixteen bytes");
            cpu.xmm[i] = u128::from_le_bytes(bytes);
        }
    }
    cpu.x87.load_fxsave(form(insn), &image);
    Ok(())
}

fn ldmxcsr(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let value: u32 = cpu.load(op)?;
    if value & !MXCSR_MASK != 0 {
        return cpu.fault(Fault::gp(0));
    }
    cpu.mxcsr = value;
    Ok(())
}

fn stmxcsr(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.store(op, cpu.mxcsr)
}

/// The function of one of these instructions.
pub fn select(insn: &Instruction) -> Option<Slow> {
    Some(match insn.mnemonic() {
        Mnemonic::Fxsave | Mnemonic::Fxsave64 => fxsave,
        Mnemonic::Fxrstor | Mnemonic::Fxrstor64 => fxrstor,
        Mnemonic::Ldmxcsr => ldmxcsr,
        Mnemonic::Stmxcsr => stmxcsr,
        _ => return None,
    })
}
