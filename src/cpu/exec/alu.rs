//! ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NEG, NOT, XADD, CMPXCHG and their flags
//! (SDM vol. 2; flag rules vol. 1, appendix A).

use super::place::{Dst, Imm, Mem, Place, Source, Src};
use super::{by_width, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::Flags;
use crate::cpu::op::{Handler, Op};
use crate::cpu::word::Word;

/// A two-operand arithmetic instruction as a function on values.
pub trait Alu {
    /// False for CMP and TEST.
    const WRITES: bool = true;
    /// Result and flags.
    fn apply<W: Word>(flags: Flags, a: W, b: W) -> (W, Flags);
    /// A condition on the flags of `apply`, straight from its operands, where that is simpler.
    #[inline(always)]
    fn condition<W: Word>(_cc: u8, _a: W, _b: W) -> Option<bool> {
        None
    }
}

/// Sum and flags, with a carry in.
#[inline(always)]
pub fn add<W: Word>(a: W, b: W, carry: bool) -> (W, Flags) {
    let r = a.wadd(b).wadd(W::from_u64(carry as u64));
    (r, Flags::of_result(r, (a & b) | ((a | b) & !r)))
}
/// Difference and flags, with a borrow in.
#[inline(always)]
pub fn sub<W: Word>(a: W, b: W, borrow: bool) -> (W, Flags) {
    let r = a.wsub(b).wsub(W::from_u64(borrow as u64));
    (r, Flags::of_result(r, (!a & b) | ((!a | b) & r)))
}

macro_rules! alu {
    ($($(#[$doc:meta])* $name:ident $writes:literal |$f:ident, $a:ident, $b:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Alu for $name {
            const WRITES: bool = $writes;
            #[inline(always)]
            fn apply<W: Word>($f: Flags, $a: W, $b: W) -> (W, Flags) { let _ = $f; $body }
        }
    )*};
}
alu! {
    /// ADD
    Add true |f, a, b| add(a, b, false);
    /// OR
    Or true |f, a, b| (a | b, Flags::logic(a | b));
    /// ADC
    Adc true |f, a, b| add(a, b, f.cf());
    /// SBB
    Sbb true |f, a, b| sub(a, b, f.cf());
    /// AND
    And true |f, a, b| (a & b, Flags::logic(a & b));
    /// SUB
    Sub true |f, a, b| sub(a, b, false);
    /// XOR
    Xor true |f, a, b| (a ^ b, Flags::logic(a ^ b));
    /// TEST
    Test false |f, a, b| (a, Flags::logic(a & b));
}

/// CMP
pub struct Cmp;
impl Alu for Cmp {
    const WRITES: bool = false;
    #[inline(always)]
    fn apply<W: Word>(_: Flags, a: W, b: W) -> (W, Flags) {
        sub(a, b, false)
    }
    #[inline(always)]
    fn condition<W: Word>(cc: u8, a: W, b: W) -> Option<bool> {
        let (x, y) = (a.sext() as i64, b.sext() as i64);
        let holds = match cc >> 1 {
            1 => a < b,
            2 => a == b,
            3 => a <= b,
            6 => x < y,
            7 => x <= y,
            _ => return None,
        };
        Some(holds != (cc & 1 != 0))
    }
}

/// A one-operand instruction.
pub trait Unary {
    /// Result and flags.
    fn apply<W: Word>(flags: Flags, a: W) -> (W, Flags);
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident |$f:ident, $a:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Unary for $name {
            #[inline(always)]
            fn apply<W: Word>($f: Flags, $a: W) -> (W, Flags) { let _ = $f; $body }
        }
    )*};
}
unary! {
    /// INC: CF stays.
    Inc |f, a| { let (r, n) = add(a, W::from_u64(1), false); (r, keep_cf(f, n)) };
    /// DEC: CF stays.
    Dec |f, a| { let (r, n) = sub(a, W::from_u64(1), false); (r, keep_cf(f, n)) };
    /// NEG
    Neg |f, a| sub(W::from_u64(0), a, false);
    /// NOT: no flags.
    Not |f, a| (!a, f);
}

#[inline(always)]
fn keep_cf(old: Flags, new: Flags) -> Flags {
    let cf = old.carry & (1 << 63);
    // Bit 62 keeps its distance to bit 63, so that OF stays what the result says.
    let flip = (cf ^ new.carry) & (1 << 63);
    Flags { carry: new.carry ^ flip ^ (flip >> 1), ..new }
}

unsafe extern "C" fn binary<O: Alu, W: Word, D: Place<W>, S: Source<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL && S::IS_FULL, (binary::<O, W, D::Full, S::Full>), {
        let b = S::get(cpu, op)?;
        if O::WRITES {
            D::modify(cpu, op, |cpu, a| O::apply(cpu.flags, a, b))
        } else {
            let a = D::look(cpu, op)?;
            cpu.flags = O::apply(cpu.flags, a, b).1;
            Ok(())
        }
    })
}

unsafe extern "C" fn unary<O: Unary, W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (unary::<O, W, D::Full>), {
        D::modify(cpu, op, |cpu, a| O::apply(cpu.flags, a))
    })
}

unsafe extern "C" fn xadd<W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (xadd::<W, D::Full>), {
        let b: W = cpu.reg(op.src);
        let old = std::cell::Cell::new(b);
        D::modify(cpu, op, |_, a| {
            old.set(a);
            add(a, b, false)
        })?;
        // The source gets the old value first, so that with one register for both the sum stays.
        if !(op.aux == 1 && op.dst == op.src) {
            cpu.set_reg(op.src, old.get());
        }
        Ok(())
    })
}

unsafe extern "C" fn cmpxchg<W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (cmpxchg::<W, D::Full>), {
        let (expected, new): (W, W) = (cpu.reg(0), cpu.reg(op.src));
        let old = std::cell::Cell::new(expected);
        // The destination is written in both cases (SDM vol. 2, CMPXCHG).
        D::modify(cpu, op, |_, a| {
            old.set(a);
            let flags = sub(expected, a, false).1;
            (if a == expected { new } else { a }, flags)
        })?;
        if old.get() != expected {
            cpu.set_reg(0, old.get());
        }
        Ok(())
    })
}

/// Where an instruction's explicit operands are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Register and register.
    RegReg,
    /// Register and immediate.
    RegImm,
    /// Register and memory.
    RegMem(Addressing),
    /// Memory and register.
    MemReg(Addressing),
    /// Memory and immediate.
    MemImm(Addressing),
}

/// Which [`super::place::Address`] serves a memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addressing {
    /// [`super::place::Near`]
    Near,
    /// [`super::place::Flat`]
    Flat,
    /// [`super::place::Segmented`]
    Segmented,
}

/// Picks `$f` with the address kind of a memory operand bound to `$A`.
macro_rules! by_address {
    ($addressing:expr, $A:ident => $f:expr) => {
        match $addressing {
            $crate::cpu::exec::alu::Addressing::Near => {
                type $A = $crate::cpu::exec::place::Near;
                $f
            }
            $crate::cpu::exec::alu::Addressing::Flat => {
                type $A = $crate::cpu::exec::place::Flat;
                $f
            }
            $crate::cpu::exec::alu::Addressing::Segmented => {
                type $A = $crate::cpu::exec::place::Segmented;
                $f
            }
        }
    };
}
pub(crate) use by_address;

/// The handler of a two-operand instruction.
pub fn select_binary<O: Alu>(bytes: usize, form: Form) -> Handler {
    by_width!(bytes, W => match form {
        Form::RegReg => binary::<O, W, Dst, Src>,
        Form::RegImm => binary::<O, W, Dst, Imm>,
        Form::RegMem(a) => by_address!(a, A => binary::<O, W, Dst, Mem<A>>),
        Form::MemReg(a) => by_address!(a, A => binary::<O, W, Mem<A>, Src>),
        Form::MemImm(a) => by_address!(a, A => binary::<O, W, Mem<A>, Imm>),
    })
}

/// The handler of a one-operand instruction.
pub fn select_unary<O: Unary>(bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match memory {
        None => unary::<O, W, Dst>,
        Some(a) => by_address!(a, A => unary::<O, W, Mem<A>>),
    })
}

/// XADD.
pub fn select_xadd(bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match memory {
        None => xadd::<W, Dst>,
        Some(a) => by_address!(a, A => xadd::<W, Mem<A>>),
    })
}

/// CMPXCHG.
pub fn select_cmpxchg(bytes: usize, memory: Option<Addressing>) -> Handler {
    by_width!(bytes, W => match memory {
        None => cmpxchg::<W, Dst>,
        Some(a) => by_address!(a, A => cmpxchg::<W, Mem<A>>),
    })
}
