//! A vector seen as lanes, and the wrappers that turn a function on values into an instruction.
//!
//! A meaning is written once on `u128`; MMX runs the same function with its 8 bytes zero-extended and `N` = 8.

use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::op::{Op, Slow};
use iced_x86::{Instruction, OpKind};

const _: () = assert!(cfg!(target_endian = "little"), "lane 0 is the low part of the u128");

/// Sixteen bytes as an array of lanes, lane 0 lowest.
pub trait Lanes: Copy {
    /// One lane.
    type Lane: Copy;
    /// Splits a value.
    fn of(v: u128) -> Self;
    /// Puts the lanes together again.
    fn join(self) -> u128;
    /// Lane by lane.
    fn zip_with(self, other: Self, f: impl Fn(Self::Lane, Self::Lane) -> Self::Lane) -> Self;
}

macro_rules! lanes {
    ($($name:ident = [$t:ty; $n:literal];)*) => {$(
        #[doc = concat!(stringify!($n), " lanes of ", stringify!($t), ".")]
        pub type $name = [$t; $n];
        // For bytes there is a safe way; the macro takes the one that all widths have.
        #[allow(unnecessary_transmutes)]
        impl Lanes for $name {
            type Lane = $t;
            #[inline(always)]
            fn of(v: u128) -> Self {
                // SAFETY: both are sixteen bytes without padding or invalid values.
                unsafe { std::mem::transmute::<u128, Self>(v) }
            }
            #[inline(always)]
            fn join(self) -> u128 {
                // SAFETY: as in `of`.
                unsafe { std::mem::transmute::<Self, u128>(self) }
            }
            #[inline(always)]
            fn zip_with(self, other: Self, f: impl Fn($t, $t) -> $t) -> Self {
                let mut r = self;
                for i in 0..$n {
                    r[i] = f(self[i], other[i]);
                }
                r
            }
        }
    )*};
}
lanes! {
    U8 = [u8; 16]; I8 = [i8; 16];
    U16 = [u16; 8]; I16 = [i16; 8];
    U32 = [u32; 4]; I32 = [i32; 4];
    U64 = [u64; 2]; I64 = [i64; 2];
}

/// `f` on each pair of lanes.
#[inline(always)]
pub fn zip<V: Lanes>(a: u128, b: u128, f: impl Fn(V::Lane, V::Lane) -> V::Lane) -> u128 {
    V::of(a).zip_with(V::of(b), f).join()
}
/// `f` on each lane.
#[inline(always)]
pub fn map<V: Lanes>(a: u128, f: impl Fn(V::Lane) -> V::Lane) -> u128 {
    zip::<V>(a, a, |x, _| f(x))
}

/// What an instruction computes from its first operand, its second and its immediate, `N` bytes wide (16 or 8).
pub trait Packed {
    /// The new first operand. With `N` = 8 the upper halves come in zero, and what comes out above is dropped.
    fn apply<const N: usize>(a: u128, b: u128, immediate: u8) -> u128;
}

fn xmm<F: Packed, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let b = cpu.source128::<MEM>(op)?;
    let v = F::apply::<16>(cpu.x(op.dst), b, op.aux);
    cpu.set_x(op.dst, v);
    Ok(())
}
fn mm<F: Packed, const MEM: bool>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let b = cpu.source_mm::<MEM>(op)?;
    put_mm::<F>(cpu, op, b);
    Ok(())
}
/// Unpacking of low halves reads only 4 bytes of memory into MMX.
fn mm_from32<F: Packed>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    let b: u32 = cpu.load(op)?;
    put_mm::<F>(cpu, op, u64::from(b));
    Ok(())
}
fn xmm_by_immediate<F: Packed>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    let v = F::apply::<16>(cpu.x(op.dst), u128::from(op.aux), op.aux);
    cpu.set_x(op.dst, v);
    Ok(())
}
fn mm_by_immediate<F: Packed>(cpu: &mut Cpu, op: &Op, _: &Instruction) -> Result<(), Stop> {
    cpu.before_mmx()?;
    put_mm::<F>(cpu, op, u64::from(op.aux));
    Ok(())
}
/// 8, 4 or 2 bytes of the source are all that counts: memory need not be aligned.
fn xmm_from_part<F: Packed, const BYTES: usize, const MEM: bool>(
    cpu: &mut Cpu,
    op: &Op,
    _: &Instruction,
) -> Result<(), Stop> {
    let b = match (MEM, BYTES) {
        (false, _) => cpu.x(op.src),
        (true, 8) => u128::from(cpu.load::<u64>(op)?),
        (true, 4) => u128::from(cpu.load::<u32>(op)?),
        (true, _) => u128::from(cpu.load::<u16>(op)?),
    };
    let v = F::apply::<16>(cpu.x(op.dst), b, op.aux);
    cpu.set_x(op.dst, v);
    Ok(())
}
#[inline(always)]
fn put_mm<F: Packed>(cpu: &mut Cpu, op: &Op, b: u64) {
    let a = u128::from(cpu.x87.mm(op.dst));
    cpu.x87.set_mm(op.dst, F::apply::<8>(a, u128::from(b), op.aux) as u64);
    cpu.x87.enter_mmx();
}

/// The function for the operands that `insn` has: XMM or MMX; register, memory or immediate.
pub fn packed<F: Packed>(insn: &Instruction) -> Slow {
    let is_mmx = insn.op_register(0).is_mm();
    match (is_mmx, insn.op_kind(1)) {
        (false, OpKind::Register) => xmm::<F, false>,
        (false, OpKind::Memory) => xmm::<F, true>,
        (false, _) => xmm_by_immediate::<F>,
        (true, OpKind::Register) => mm::<F, false>,
        (true, OpKind::Memory) if insn.memory_size().size() == 4 => mm_from32::<F>,
        (true, OpKind::Memory) => mm::<F, true>,
        (true, _) => mm_by_immediate::<F>,
    }
}
fn from_part<F: Packed, const BYTES: usize>(insn: &Instruction) -> Slow {
    match insn.op_kind(1) {
        OpKind::Memory => xmm_from_part::<F, BYTES, true>,
        _ => xmm_from_part::<F, BYTES, false>,
    }
}
/// The function of an XMM instruction whose memory operand has 8 bytes.
pub fn from_8_bytes<F: Packed>(insn: &Instruction) -> Slow {
    from_part::<F, 8>(insn)
}
/// The function of an XMM instruction whose memory operand has 4 bytes.
pub fn from_4_bytes<F: Packed>(insn: &Instruction) -> Slow {
    from_part::<F, 4>(insn)
}
/// The function of an XMM instruction whose memory operand has 2 bytes.
pub fn from_2_bytes<F: Packed>(insn: &Instruction) -> Slow {
    from_part::<F, 2>(insn)
}

/// Names instructions (mnemonic, other mnemonics of the same meaning) by what they compute, and makes `select`.
macro_rules! instructions {
    ($($how:ident: { $($name:ident $(| $alias:ident)* ($a:pat, $b:pat, $i:pat, $n:ident) = $body:expr;)* })*) => {
        mod named {$($(
            pub struct $name;
        )*)*}
        $($(
            impl $crate::cpu::simd::lanes::Packed for named::$name {
                #[inline(always)]
                fn apply<const $n: usize>($a: u128, $b: u128, $i: u8) -> u128 {
                    $body
                }
            }
        )*)*
        /// The function of one of the instructions in this file.
        pub fn select(insn: &iced_x86::Instruction) -> Option<$crate::cpu::op::Slow> {
            Some(match insn.mnemonic() {
                $($(iced_x86::Mnemonic::$name $(| iced_x86::Mnemonic::$alias)* =>
                    $crate::cpu::simd::lanes::$how::<named::$name>(insn),)*)*
                _ => return None,
            })
        }
    };
}
pub(super) use instructions;
