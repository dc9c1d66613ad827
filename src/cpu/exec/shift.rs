//! Shifts and rotates. Flags that the manual leaves undefined follow Intel processors: see docs/cpu-undefined-flags.md.

use super::alu::{Addressing, by_address};
use super::place::{Dst, Mem, Place};
use super::{by_width, two_path_handler};
use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::Flags;
use crate::cpu::op::{Handler, Op};
use crate::cpu::word::Word;

/// A shift or rotate as a function on values; `count` is masked to 5 or 6 bits and not zero.
pub trait Shift {
    /// Result and flags.
    fn apply<W: Word>(flags: Flags, a: W, count: u32) -> (W, Flags);
}

fn msb<W: Word>(v: W) -> bool {
    (v.sext() as i64) < 0
}
fn flags_of<W: Word>(r: W, cf: bool, of: bool) -> Flags {
    Flags { carry: (cf as u64) << 63 | ((cf ^ of) as u64) << 62, ..Flags::logic(r) }
}
fn rotated(f: Flags, cf: bool, of: bool) -> Flags {
    let mut f = f;
    f.set_cf_of(cf, of);
    f
}

macro_rules! shifts {
    ($($(#[$doc:meta])* $name:ident |$f:ident, $a:ident, $n:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Shift for $name {
            #[inline(always)]
            fn apply<W: Word>($f: Flags, $a: W, $n: u32) -> (W, Flags) { let _ = $f; $body }
        }
    )*};
}
shifts! {
    /// SHL and SAL: OF for every count as if the count were 1.
    Shl |f, a, n| {
        let wide = u128::from(a.to_u64()) << n;
        let r = W::from_u64(wide as u64);
        let cf = n <= W::BITS && wide >> W::BITS & 1 != 0;
        let of = msb(a) != (a.to_u64() >> (W::BITS - 2) & 1 != 0);
        (r, flags_of(r, cf, of))
    };
    /// SHR
    Shr |f, a, n| {
        let v = a.to_u64();
        let r = W::from_u64(v.checked_shr(n).unwrap_or(0));
        (r, flags_of(r, v.checked_shr(n - 1).unwrap_or(0) & 1 != 0, msb(a)))
    };
    /// SAR
    Sar |f, a, n| {
        let v = a.sext() as i64;
        let r = W::from_u64((v >> n.min(63)) as u64);
        (r, flags_of(r, v >> (n - 1).min(63) & 1 != 0, false))
    };
    /// ROL: OF for every count as if the count were 1, of the original operand.
    Rol |f, a, n| {
        let r = rotate_left(a, n % W::BITS);
        let of = msb(a) != (a.to_u64() >> (W::BITS - 2) & 1 != 0);
        (r, rotated(f, r.to_u64() & 1 != 0, of))
    };
    /// ROR
    Ror |f, a, n| {
        let r = rotate_left(a, (W::BITS - n % W::BITS) % W::BITS);
        let of = (a.to_u64() & 1 != 0) != msb(a);
        (r, rotated(f, msb(r), of))
    };
    /// RCL: rotates W::BITS + 1 bits.
    Rcl |f, a, n| {
        let of = msb(a) != (a.to_u64() >> (W::BITS - 2) & 1 != 0);
        let n = n % (W::BITS + 1);
        let (r, cf) = through_carry(a, f.cf(), n);
        (r, rotated(f, cf, of))
    };
    /// RCR
    Rcr |f, a, n| {
        let of = msb(a) != f.cf();
        let n = (W::BITS + 1 - n % (W::BITS + 1)) % (W::BITS + 1);
        let (r, cf) = through_carry(a, f.cf(), n);
        (r, rotated(f, cf, of))
    };
}

fn rotate_left<W: Word>(a: W, n: u32) -> W {
    let v = a.to_u64();
    if n == 0 { a } else { W::from_u64(v << n | v >> (W::BITS - n)) }
}

/// Rotates carry:a left by n <= W::BITS.
fn through_carry<W: Word>(a: W, cf: bool, n: u32) -> (W, bool) {
    if n == 0 {
        return (a, cf);
    }
    let wide = u128::from(cf) << W::BITS | u128::from(a.to_u64());
    let width = W::BITS + 1;
    let r = wide << n | wide >> (width - n);
    (W::from_u64(r as u64), r >> W::BITS & 1 != 0)
}

fn count_mask<W: Word>() -> u32 {
    if W::BITS == 64 { 63 } else { 31 }
}

unsafe extern "C" fn by_imm<O: Shift, W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (by_imm::<O, W, D::Full>), {
        let n = u32::from(op.aux) & count_mask::<W>();
        shift::<O, W, D>(cpu, op, n)
    })
}
unsafe extern "C" fn by_cl<O: Shift, W: Word, D: Place<W>>(cpu: &mut Cpu, op: *const Op) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (by_cl::<O, W, D::Full>), {
        let n = cpu.regs[1] as u32 & count_mask::<W>();
        shift::<O, W, D>(cpu, op, n)
    })
}
#[inline(always)]
fn shift<O: Shift, W: Word, D: Place<W>>(cpu: &mut Cpu, op: &Op, n: u32) -> Result<(), Stop> {
    // A count of zero changes no flag, but writes the destination (and so clears a 32-bit one's upper half).
    D::modify(cpu, op, |cpu, a| if n == 0 { (a, cpu.flags) } else { O::apply(cpu.flags, a, n) })
}

/// A shift by an immediate (`aux`) or by CL.
pub fn select<O: Shift>(bytes: usize, memory: Option<Addressing>, is_by_cl: bool) -> Handler {
    by_width!(bytes, W => match (memory, is_by_cl) {
        (None, false) => by_imm::<O, W, Dst>,
        (None, true) => by_cl::<O, W, Dst>,
        (Some(a), false) => by_address!(a, A => by_imm::<O, W, Mem<A>>),
        (Some(a), true) => by_address!(a, A => by_cl::<O, W, Mem<A>>),
    })
}

/// SHLD (`LEFT`) and SHRD on values; `n` is masked and not zero. For 16-bit operands a count above 16 is undefined:
/// the model shifts the 48-bit dst:src:dst, as Intel processors do.
pub fn double<const LEFT: bool, W: Word>(a: W, b: W, n: u32) -> (W, Flags) {
    let bits = W::BITS;
    let (x, y) = (u128::from(a.to_u64()), u128::from(b.to_u64()));
    if LEFT {
        let third = if bits == 16 { x } else { 0 };
        let wide = x << (2 * bits.min(32)) | y << bits.min(32) | third;
        let (r, cf) = if bits == 64 {
            let w = x << 64 | y;
            ((w << n >> 64) as u64, w >> (128 - n) & 1 != 0)
        } else {
            ((wide << n >> (2 * bits)) as u64, wide >> (3 * bits - n) & 1 != 0)
        };
        let r = W::from_u64(r);
        let of = msb(a) != (a.to_u64() >> (bits - 2) & 1 != 0);
        (r, flags_of(r, cf, of))
    } else {
        let third = if bits == 16 { x << 32 } else { 0 };
        let wide = third | y << bits | x;
        let r = W::from_u64((wide >> n) as u64);
        let of = msb(a) != (b.to_u64() & 1 != 0);
        (r, flags_of(r, wide >> (n - 1) & 1 != 0, of))
    }
}

unsafe extern "C" fn shift_double<const LEFT: bool, const BY_CL: bool, W: Word, D: Place<W>>(
    cpu: &mut Cpu,
    op: *const Op,
) -> *const Op {
    two_path_handler!(cpu, op, D::IS_FULL, (shift_double::<LEFT, BY_CL, W, D::Full>), {
        let n = if BY_CL { cpu.regs[1] as u32 } else { u32::from(op.aux) } & count_mask::<W>();
        let b: W = cpu.reg(op.src);
        D::modify(cpu, op, |cpu, a| if n == 0 { (a, cpu.flags) } else { double::<LEFT, W>(a, b, n) })
    })
}

/// SHLD and SHRD.
pub fn select_double(is_left: bool, bytes: usize, memory: Option<Addressing>, is_by_cl: bool) -> Handler {
    macro_rules! place {
        ($left:literal, $cl:literal, $W:ident) => {
            match memory {
                None => shift_double::<$left, $cl, $W, Dst>,
                Some(a) => by_address!(a, A => shift_double::<$left, $cl, $W, Mem<A>>),
            }
        };
    }
    by_width!(bytes, W => match (is_left, is_by_cl) {
        (true, false) => place!(true, false, W),
        (true, true) => place!(true, true, W),
        (false, false) => place!(false, false, W),
        (false, true) => place!(false, true, W),
    })
}
