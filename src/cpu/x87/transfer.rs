//! Loads, stores, exchanges, conditional moves and constants.

use iced_x86::{Instruction, MemorySize, Mnemonic, OpKind};

use super::execute::register_index;
use super::{X87, X87Context};
use crate::cpu::softfloat::{Env, F80, Flags, Rounding};

const CF: u64 = 1;
const PF: u64 = 1 << 2;
const ZF: u64 = 1 << 6;

fn read<const N: usize, C: X87Context>(cx: &mut C) -> Result<[u8; N], C::Stop> {
    let mut bytes = [0; N];
    cx.read(&mut bytes)?;
    Ok(bytes)
}

/// Reads a floating-point or integer operand as it enters arithmetic, with DE for a denormal m32fp or m64fp.
pub(super) fn read_number<C: X87Context>(insn: &Instruction, cx: &mut C) -> Result<(F80, Flags), C::Stop> {
    let exact = |value| (F80::from_i64(value), Flags::NONE);
    Ok(match insn.memory_size() {
        MemorySize::Float32 => F80::from_f32_bits(u32::from_le_bytes(read(cx)?)),
        MemorySize::Float64 => F80::from_f64_bits(u64::from_le_bytes(read(cx)?)),
        MemorySize::Int16 => exact(i64::from(i16::from_le_bytes(read(cx)?))),
        MemorySize::Int32 => exact(i64::from(i32::from_le_bytes(read(cx)?))),
        MemorySize::Int64 => exact(i64::from_le_bytes(read(cx)?)),
        _ => (F80::from_bytes(read(cx)?), Flags::NONE),
    })
}

/// Returns whether the instruction was of this family.
pub(super) fn execute<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<bool, C::Stop> {
    use Mnemonic::*;
    match insn.mnemonic() {
        Fld if insn.op0_kind() == OpKind::Register => load_register(x87, register_index(insn, 0)),
        Fld | Fild => load(x87, insn, cx)?,
        Fbld => {
            let value = packed_decimal(read(cx)?);
            x87.push_checked(value, Flags::NONE);
        }
        Fstpnce if x87.is_empty(0) => {
            // The one register store that does not check for an empty stack.
            x87.record(Flags::NONE);
            x87.pop();
        }
        Fst | Fstp | Fstpnce if insn.op0_kind() == OpKind::Register => {
            store_register(x87, register_index(insn, 0), insn.mnemonic() != Fst);
        }
        Fst | Fstp | Fist | Fistp | Fisttp | Fbstp => store(x87, insn, cx)?,
        Fxch => exchange(x87, register_index(insn, 1)),
        Fcmovb => conditional_move(x87, insn, cx.rflags() & CF != 0),
        Fcmove => conditional_move(x87, insn, cx.rflags() & ZF != 0),
        Fcmovbe => conditional_move(x87, insn, cx.rflags() & (CF | ZF) != 0),
        Fcmovu => conditional_move(x87, insn, cx.rflags() & PF != 0),
        Fcmovnb => conditional_move(x87, insn, cx.rflags() & CF == 0),
        Fcmovne => conditional_move(x87, insn, cx.rflags() & ZF == 0),
        Fcmovnbe => conditional_move(x87, insn, cx.rflags() & (CF | ZF) == 0),
        Fcmovnu => conditional_move(x87, insn, cx.rflags() & PF == 0),
        Fld1 => x87.push_checked(F80::ONE, Flags::NONE),
        Fldz => x87.push_checked(F80::ZERO, Flags::NONE),
        Fldl2t => load_constant(x87, 0x4000, 0xd49a_784b_cd1b_8afe, false),
        Fldl2e => load_constant(x87, 0x3fff, 0xb8aa_3b29_5c17_f0bb, true),
        Fldpi => load_constant(x87, 0x4000, 0xc90f_daa2_2168_c234, true),
        Fldlg2 => load_constant(x87, 0x3ffd, 0x9a20_9a84_fbcf_f798, true),
        Fldln2 => load_constant(x87, 0x3ffe, 0xb172_17f7_d1cf_79ab, true),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Pushes an irrational constant from its truncated significand; `near_up` tells that the nearest value is the next.
/// Inexactness is not reported.
fn load_constant(x87: &mut X87, sign_exp: u16, truncated: u64, near_up: bool) {
    let up = match x87.env().rounding {
        Rounding::Nearest => near_up,
        Rounding::Up => true,
        Rounding::Down | Rounding::Zero => false,
    };
    x87.push_checked(F80::new(sign_exp, truncated + u64::from(up)), Flags::NONE);
}

fn load<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<(), C::Stop> {
    let (value, flags) = read_number(insn, cx)?;
    // An m80 operand is taken as it is, signalling NaNs and unsupported encodings too.
    let (value, flags) = match insn.memory_size() {
        MemorySize::Float32 | MemorySize::Float64 => value.load(flags),
        _ => (value, flags),
    };
    if flags == Flags::DENORMAL && x87.is_empty(7) {
        // Even unmasked, DE does not keep a load from its push.
        x87.record(flags);
        x87.push(value);
        return Ok(());
    }
    x87.push_checked(value, flags);
    Ok(())
}

fn load_register(x87: &mut X87, i: u8) {
    // An empty source goes before a full stack.
    if x87.is_empty(i) {
        if x87.underflow() {
            x87.push(F80::INDEFINITE);
        }
        return;
    }
    x87.push_checked(x87.st(i), Flags::NONE);
}

fn store_register(x87: &mut X87, i: u8, pops: bool) {
    let go_on = if x87.is_empty(0) {
        let masked = x87.underflow();
        if masked {
            x87.set_st(i, F80::INDEFINITE);
        }
        masked
    } else {
        x87.record(Flags::NONE);
        x87.set_st(i, x87.st(0));
        true
    };
    if go_on && pops {
        x87.pop();
    }
}

/// The bytes to be stored, at most ten.
struct Stored {
    bytes: [u8; 10],
    size: usize,
    flags: Flags,
}

impl Stored {
    fn new<const N: usize>(value: [u8; N], flags: Flags) -> Self {
        let mut bytes = [0; 10];
        bytes[..N].copy_from_slice(&value);
        Self { bytes, size: N, flags }
    }
}

fn integer(value: F80, bits: u32, rounding: Rounding) -> Stored {
    let (value, flags) = value.to_int(bits, rounding).unwrap_or((-1 << (bits - 1), Flags::INVALID));
    Stored { size: bits as usize / 8, ..Stored::new(value.to_le_bytes(), flags) }
}

/// `value` in the format of the memory operand.
fn converted(value: F80, insn: &Instruction, env: &Env) -> Stored {
    let rounding = if insn.mnemonic() == Mnemonic::Fisttp { Rounding::Zero } else { env.rounding };
    match insn.memory_size() {
        MemorySize::Float32 => {
            let (bits, flags) = value.to_f32_bits(env);
            Stored::new(bits.to_le_bytes(), flags)
        }
        MemorySize::Float64 => {
            let (bits, flags) = value.to_f64_bits(env);
            Stored::new(bits.to_le_bytes(), flags)
        }
        MemorySize::Int16 => integer(value, 16, rounding),
        MemorySize::Int32 => integer(value, 32, rounding),
        MemorySize::Int64 => integer(value, 64, rounding),
        MemorySize::Bcd => decimal(value, rounding),
        _ => Stored::new(value.to_bytes(), Flags::NONE),
    }
}

fn store<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<(), C::Stop> {
    let env = x87.env();
    let stored = if x87.is_empty(0) {
        Stored { flags: Flags::INVALID | Flags::STACK, ..converted(F80::INDEFINITE, insn, &env) }
    } else {
        converted(x87.st(0), insn, &env)
    };
    // Every exception but inexactness keeps memory and stack as they are while unmasked.
    let withheld = stored.flags.unmasked(env.masks).has(!Flags::PRECISION);
    // A bad address is reported all the same.
    if withheld {
        cx.probe_write(stored.size)?;
    } else {
        cx.write(&stored.bytes[..stored.size])?;
    }
    // A withheld result has not been rounded as far as anyone can see.
    let seen = if withheld { !(Flags::PRECISION | Flags::ROUNDED_UP) } else { !Flags::NONE };
    x87.record(stored.flags & seen);
    if !withheld && !matches!(insn.mnemonic(), Mnemonic::Fst | Mnemonic::Fist) {
        x87.pop();
    }
    Ok(())
}

fn exchange(x87: &mut X87, i: u8) {
    if x87.is_empty(0) || x87.is_empty(i) {
        if !x87.underflow() {
            return;
        }
        for n in [0, i] {
            if x87.is_empty(n) {
                x87.set_st(n, F80::INDEFINITE);
            }
        }
    } else {
        x87.record(Flags::NONE);
    }
    let (a, b) = (x87.st(0), x87.st(i));
    x87.set_st(0, b);
    x87.set_st(i, a);
}

/// The stack is checked whether or not the move takes place.
fn conditional_move(x87: &mut X87, insn: &Instruction, condition: bool) {
    let i = register_index(insn, 1);
    if x87.is_empty(0) || x87.is_empty(i) {
        if x87.underflow() {
            x87.set_st(0, F80::INDEFINITE);
        }
    } else if condition {
        x87.set_st(0, x87.st(i));
    }
}

/// Value of an m80bcd operand. Digits above 9 are undefined by the SDM; here they count as their value.
fn packed_decimal(bytes: [u8; 10]) -> F80 {
    let [digits @ .., sign] = bytes;
    let magnitude =
        digits.iter().rev().fold(0, |n: i64, pair| n * 100 + i64::from(pair >> 4) * 10 + i64::from(pair & 15));
    let value = F80::from_i64(magnitude);
    if sign & 0x80 != 0 { value.negated() } else { value }
}

fn decimal(value: F80, rounding: Rounding) -> Stored {
    const LIMIT: u64 = 1_000_000_000_000_000_000;
    let mut bytes = [0; 10];
    let Some((integer, flags)) = value.to_int(64, rounding).filter(|(n, _)| n.unsigned_abs() < LIMIT) else {
        // The packed decimal indefinite.
        bytes[7..].copy_from_slice(&[0xc0, 0xff, 0xff]);
        return Stored::new(bytes, Flags::INVALID);
    };
    let mut rest = integer.unsigned_abs();
    for byte in &mut bytes[..9] {
        let pair = (rest % 100) as u8;
        *byte = ((pair / 10) << 4) | (pair % 10);
        rest /= 100;
    }
    // A negative number that rounds to zero keeps its sign.
    bytes[9] = u8::from(value.is_negative()) << 7;
    Stored::new(bytes, flags)
}
