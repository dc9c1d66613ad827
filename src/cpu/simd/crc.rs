//! CRC32: accumulates the Castagnoli polynomial, bits reflected (SDM vol. 2, CRC32).

use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::{Op, Slow};
use crate::cpu::word::Word;
use iced_x86::{Code, Instruction, OpKind};

/// 11EDC6F41H without its top bit, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainder that each value of one byte adds.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut step = 0;
        while step < 8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            step += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// `crc` after the low `len` bytes of `data`.
fn accumulate(crc: u32, data: u64, len: usize) -> u32 {
    data.to_le_bytes()[..len].iter().fold(crc, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

/// The destination is 32 or 64 bits wide; either way the upper half becomes zero.
fn crc32<W: Word, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let data: W = if MEM { cpu.load(op)? } else { cpu.reg(op.src) };
    let crc = accumulate(cpu.reg(op.dst), data.to_u64(), W::BYTES);
    cpu.set_reg(op.dst, crc);
    Ok(())
}

/// The function of CRC32.
pub fn select(insn: &Instruction) -> Option<Slow> {
    let is_memory = insn.op_count() > 1 && insn.op_kind(1) == OpKind::Memory;
    Some(match (insn.code(), is_memory) {
        (Code::Crc32_r32_rm8 | Code::Crc32_r64_rm8, false) => crc32::<u8, false>,
        (Code::Crc32_r32_rm8 | Code::Crc32_r64_rm8, true) => crc32::<u8, true>,
        (Code::Crc32_r32_rm16, false) => crc32::<u16, false>,
        (Code::Crc32_r32_rm16, true) => crc32::<u16, true>,
        (Code::Crc32_r32_rm32, false) => crc32::<u32, false>,
        (Code::Crc32_r32_rm32, true) => crc32::<u32, true>,
        (Code::Crc32_r64_rm64, false) => crc32::<u64, false>,
        (Code::Crc32_r64_rm64, true) => crc32::<u64, true>,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::accumulate;

    #[test]
    fn digits_give_the_check_value_of_castagnoli() {
        let digits = *b"12345678";
        let crc = accumulate(!0, u64::from_le_bytes(digits), 8);
        assert_eq!(!accumulate(crc, u64::from(b'9'), 1), 0xe306_9283);
    }
}
