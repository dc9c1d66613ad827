//! MUL, IMUL, DIV, IDIV and the BCD adjustments.

use super::alu::{Addressing, by_address};
use super::place::{Mem, Source, Src};
use super::{by_width, handler, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::flags::Flags;
use crate::cpu::op::{Handler, Op};
use crate::cpu::state::gpr;
use crate::cpu::word::Word;

/// CF = OF = overflow; SF and PF of the low half, ZF and AF clear, as Intel processors leave them.
fn product_flags<W: Word>(low: W, overflow: bool) -> Flags {
    Flags { zero: 1, carry: (overflow as u64) << 63, sign: low.sext() }.with_of(overflow)
}

impl Flags {
    fn with_of(mut self, of: bool) -> Flags {
        self.set_cf_of(self.cf(), of);
        self
    }
}

fn mul<W: Word>(a: W, b: W) -> (W, W, Flags) {
    let p = u128::from(a.to_u64()) * u128::from(b.to_u64());
    let (low, high) = (W::from_u64(p as u64), W::from_u64((p >> W::BITS) as u64));
    (low, high, product_flags(low, high.to_u64() != 0))
}
fn imul<W: Word>(a: W, b: W) -> (W, W, Flags) {
    let p = i128::from(a.sext() as i64) * i128::from(b.sext() as i64);
    let (low, high) = (W::from_u64(p as u64), W::from_u64((p >> W::BITS) as u64));
    (low, high, product_flags(low, i128::from(low.sext() as i64) != p))
}

const DX: u8 = gpr::RDX as u8 * 8;

unsafe extern "C" fn multiply<const SIGNED: bool, W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (multiply::<SIGNED, W, S::Full>), {
        let b = S::get(cpu, op)?;
        let a: W = cpu.reg(0);
        let (low, high, flags) = if SIGNED { imul(a, b) } else { mul(a, b) };
        cpu.set_reg(0, low);
        // A byte product goes to AX.
        cpu.set_reg(if W::BITS == 8 { 1 } else { DX }, high);
        cpu.flags = flags;
        Ok(())
    })
}

/// IMUL with two operands (`THREE` false: the destination is a factor) or three (the immediate is).
unsafe extern "C" fn imul_into<const THREE: bool, W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (imul_into::<THREE, W, S::Full>), {
        let a = S::get(cpu, op)?;
        let b = if THREE { W::from_u64(op.imm) } else { cpu.reg(op.dst) };
        let (low, _, flags) = imul(a, b);
        cpu.set_reg(op.dst, low);
        cpu.flags = flags;
        Ok(())
    })
}

/// Quotient and remainder, or `None` for #DE.
fn div<W: Word>(high: W, low: W, by: W) -> Option<(W, W)> {
    let n = u128::from(high.to_u64()) << W::BITS | u128::from(low.to_u64());
    let d = u128::from(by.to_u64());
    if W::BITS == 64 && high.to_u64() == 0 {
        let (n, d) = (low.to_u64(), by.to_u64());
        return Some((W::from_u64(n.checked_div(d)?), W::from_u64(n % d)));
    }
    let q = n.checked_div(d)?;
    let fits = q >> W::BITS == 0;
    fits.then(|| (W::from_u64(q as u64), W::from_u64((n % d) as u64)))
}
fn idiv<W: Word>(high: W, low: W, by: W) -> Option<(W, W)> {
    let n = i128::from(high.sext() as i64) << W::BITS | i128::from(low.to_u64());
    let d = i128::from(by.sext() as i64);
    let q = n.checked_div(d)?;
    let low = W::from_u64(q as u64);
    (i128::from(low.sext() as i64) == q).then(|| (low, W::from_u64((n % d) as u64)))
}

unsafe extern "C" fn divide<const SIGNED: bool, W: Word, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, S::IS_FULL, (divide::<SIGNED, W, S::Full>), {
        let by = S::get(cpu, op)?;
        let (low, high): (W, W) = (cpu.reg(0), cpu.reg(if W::BITS == 8 { 1 } else { DX }));
        match if SIGNED { idiv(high, low, by) } else { div(high, low, by) } {
            None => cpu.fault(Fault::de()),
            Some((quotient, remainder)) => {
                cpu.set_reg(0, quotient);
                cpu.set_reg(if W::BITS == 8 { 1 } else { DX }, remainder);
                Ok(())
            }
        }
    })
}

/// MUL and one-operand IMUL.
pub fn select_multiply(is_signed: bool, bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match (is_signed, memory) {
        (false, None) => multiply::<false, W, Src>,
        (true, None) => multiply::<true, W, Src>,
        (false, Some(a)) => by_address!(a, A => multiply::<false, W, Mem<A>>),
        (true, Some(a)) => by_address!(a, A => multiply::<true, W, Mem<A>>),
    })
}
/// IMUL with two or three operands.
pub fn select_imul(has_immediate: bool, bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match (has_immediate, memory) {
        (false, None) => imul_into::<false, W, Src>,
        (true, None) => imul_into::<true, W, Src>,
        (false, Some(a)) => by_address!(a, A => imul_into::<false, W, Mem<A>>),
        (true, Some(a)) => by_address!(a, A => imul_into::<true, W, Mem<A>>),
    })
}
/// DIV and IDIV.
pub fn select_divide(is_signed: bool, bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match (is_signed, memory) {
        (false, None) => divide::<false, W, Src>,
        (true, None) => divide::<true, W, Src>,
        (false, Some(a)) => by_address!(a, A => divide::<false, W, Mem<A>>),
        (true, Some(a)) => by_address!(a, A => divide::<true, W, Mem<A>>),
    })
}

/// DAA and DAS (`aux` 0 and 1). OF is cleared, as Intel processors do.
pub(crate) unsafe extern "C" fn decimal_adjust(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let (al, f): (u8, Flags) = (cpu.reg(0), cpu.flags);
        let subtract = op.aux == 1;
        let af = al & 0xf > 9 || f.af();
        let high = al > 0x99 || f.cf();
        let by = if af { 6 } else { 0 } + if high { 0x60 } else { 0 };
        let r = if subtract { al.wrapping_sub(by) } else { al.wrapping_add(by) };
        // DAS also sets CF when the low adjustment borrows (SDM vol. 2, DAS).
        let cf = high || subtract && af && al < 6;
        cpu.set_reg(0, r);
        cpu.flags = Flags { carry: u64::from(af) << 3, ..Flags::logic(r) };
        cpu.flags.set_cf_of(cf, false);
        Ok(())
    })
}
/// AAA and AAS (`aux` 0 and 1). OF, SF, ZF and PF are of the new AL before masking, as Intel processors leave them.
pub(crate) unsafe extern "C" fn ascii_adjust(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let ax: u16 = cpu.reg(0);
        let adjust = ax & 0xf > 9 || cpu.flags.af();
        let by = if adjust { 0x106 } else { 0 };
        let r = if op.aux == 1 { ax.wrapping_sub(by) } else { ax.wrapping_add(by) };
        cpu.set_reg(0, r & 0xff0f);
        cpu.flags = Flags { carry: u64::from(adjust) << 3, ..Flags::logic(r as u8 & 0xf) };
        cpu.flags.set_cf_of(adjust, false);
        Ok(())
    })
}
/// AAM.
pub(crate) unsafe extern "C" fn aam(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let (al, base): (u8, u8) = (cpu.reg(0), op.imm as u8);
        if base == 0 {
            return cpu.fault(Fault::de());
        }
        cpu.set_reg(0, al % base);
        cpu.set_reg(1, al / base);
        cpu.flags = Flags::logic(al % base);
        Ok(())
    })
}
/// AAD.
pub(crate) unsafe extern "C" fn aad(cpu: &mut Cpu, op: *const Op) -> *const Op {
    handler!(cpu, op, {
        let (al, ah): (u8, u8) = (cpu.reg(0), cpu.reg(1));
        let r = al.wrapping_add(ah.wrapping_mul(op.imm as u8));
        cpu.set_reg(0, u16::from(r));
        cpu.flags = Flags::logic(r);
        Ok(())
    })
}
