//! The table of instructions: source size, the host's instruction where it is worth it, and the portable meaning.
//!
//! Each row makes a type that implements [`Operation`]; nothing here touches the CPU.

#[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
use super::host;
use super::quick;
use super::reciprocal::{reciprocal_root32, reciprocal32};
use super::soft::{self, cmp32, cmp64, integer32, integer64, lane32, lane64, lanes32, lanes64, low32, low64, pair};
use super::soft::{bits32, round32, round64, status};
use super::{Operation, Place, run};
use crate::cpu::op::Slow;
use crate::cpu::softfloat::{self as sf, Flags, SseEnv};
use iced_x86::{Instruction, MemorySize, Mnemonic as M, OpKind};

/// An operation by its ways, for the test that compares them.
#[cfg(all(test, target_arch = "x86_64", not(reenact_portable)))]
pub struct Row {
    pub name: &'static str,
    pub soft: fn(u128, u128, u8, &SseEnv) -> (u128, Flags),
    pub host: fn(u128, u128, u32) -> Option<(u128, u32)>,
    pub quick: fn(u128, u128, u32) -> Option<u128>,
}

macro_rules! body {
    ($soft:expr $(, $host:literal $(, $quick:ident $by:expr)?)?) => {
        #[inline(always)]
        fn soft(a: u128, b: u128, imm: u8, env: &SseEnv) -> (u128, Flags) {
            let f: fn(u128, u128, u8, &SseEnv) -> (u128, Flags) = $soft;
            f(a, b, imm, env)
        }
        $(
            #[cfg(all(target_arch = "x86_64", not(reenact_portable)))]
            #[inline(always)]
            fn host(a: u128, b: u128, mxcsr: u32) -> Option<(u128, u32)> {
                Some(host::run!($host, a, b, mxcsr))
            }
            $(
                #[inline(always)]
                fn quick(a: u128, b: u128, mxcsr: u32) -> Option<u128> {
                    quick::$quick(a, b, mxcsr, $by)
                }
            )?
        )?
    };
}

/// Instructions between XMM registers and memory: `Name: bytes, ["host instruction" [quick way],] [CONSTANT that is true,] meaning`.
macro_rules! vectors {
    ($($name:ident: $bytes:literal, $($host:literal $($quick:ident($by:expr))?,)? $($mark:ident,)? |$a:pat_param, $b:pat_param, $imm:pat_param, $env:pat_param| $soft:expr;)*) => {
        $(
            struct $name;
            impl Operation for $name {
                const BYTES: u32 = $bytes;
                $(const $mark: bool = true;)?
                body!(|$a, $b, $imm, $env| $soft $(, $host $(, $quick $by)?)?);
            }
        )*
        fn vector(mnemonic: M, is_memory: bool) -> Option<Slow> {
            Some(match mnemonic {
                $(M::$name => form::<$name>(is_memory),)*
                _ => return None,
            })
        }
        #[cfg(all(test, target_arch = "x86_64", not(reenact_portable)))]
        pub const ROWS: &[Row] = &[$(Row { name: stringify!($name), soft: $name::soft, host: $name::host, quick: $name::quick }),*];
    };
}

/// Instructions with other operands: `Name: destination <- source bytes, meaning`.
macro_rules! others {
    ($($name:ident: $destination:ident <- $source:ident $bytes:literal $($only:ident)?, $soft:expr;)*) => {
        $(
            struct $name;
            impl Operation for $name {
                const BYTES: u32 = $bytes;
                const DESTINATION: Place = Place::$destination;
                const SOURCE: Place = Place::$source;
                $(const $only: bool = true;)?
                body!($soft);
            }
        )*
    };
}

fn form<O: Operation>(is_memory: bool) -> Slow {
    if is_memory { run::<O, true> } else { run::<O, false> }
}

vectors! {
    Addps: 16, "addps", |a, b, _, env| lanes32::<4>(|i| sf::add32(lane32(a, i), lane32(b, i), env));
    Addpd: 16, "addpd", |a, b, _, env| lanes64(|i| sf::add64(lane64(a, i), lane64(b, i), env));
    Addss: 4, "addss" low32(|x, y| x + y), |a, b, _, env| low32(a, sf::add32(a as u32, b as u32, env));
    Addsd: 8, "addsd" low64(|x, y| x + y), |a, b, _, env| low64(a, sf::add64(a as u64, b as u64, env));
    Subps: 16, "subps", |a, b, _, env| lanes32::<4>(|i| sf::sub32(lane32(a, i), lane32(b, i), env));
    Subpd: 16, "subpd", |a, b, _, env| lanes64(|i| sf::sub64(lane64(a, i), lane64(b, i), env));
    Subss: 4, "subss" low32(|x, y| x - y), |a, b, _, env| low32(a, sf::sub32(a as u32, b as u32, env));
    Subsd: 8, "subsd" low64(|x, y| x - y), |a, b, _, env| low64(a, sf::sub64(a as u64, b as u64, env));
    Mulps: 16, "mulps", |a, b, _, env| lanes32::<4>(|i| sf::mul32(lane32(a, i), lane32(b, i), env));
    Mulpd: 16, "mulpd", |a, b, _, env| lanes64(|i| sf::mul64(lane64(a, i), lane64(b, i), env));
    Mulss: 4, "mulss" low32(|x, y| x * y), |a, b, _, env| low32(a, sf::mul32(a as u32, b as u32, env));
    Mulsd: 8, "mulsd" low64(|x, y| x * y), |a, b, _, env| low64(a, sf::mul64(a as u64, b as u64, env));
    Divps: 16, "divps", |a, b, _, env| lanes32::<4>(|i| sf::div32(lane32(a, i), lane32(b, i), env));
    Divpd: 16, "divpd", |a, b, _, env| lanes64(|i| sf::div64(lane64(a, i), lane64(b, i), env));
    Divss: 4, "divss" low32(|x, y| x / y), |a, b, _, env| low32(a, sf::div32(a as u32, b as u32, env));
    Divsd: 8, "divsd" low64(|x, y| x / y), |a, b, _, env| low64(a, sf::div64(a as u64, b as u64, env));
    Minps: 16, "minps", |a, b, _, env| lanes32::<4>(|i| sf::min32(lane32(a, i), lane32(b, i), env));
    Minpd: 16, "minpd", |a, b, _, env| lanes64(|i| sf::min64(lane64(a, i), lane64(b, i), env));
    Minss: 4, "minss", |a, b, _, env| low32(a, sf::min32(a as u32, b as u32, env));
    Minsd: 8, "minsd", |a, b, _, env| low64(a, sf::min64(a as u64, b as u64, env));
    Maxps: 16, "maxps", |a, b, _, env| lanes32::<4>(|i| sf::max32(lane32(a, i), lane32(b, i), env));
    Maxpd: 16, "maxpd", |a, b, _, env| lanes64(|i| sf::max64(lane64(a, i), lane64(b, i), env));
    Maxss: 4, "maxss", |a, b, _, env| low32(a, sf::max32(a as u32, b as u32, env));
    Maxsd: 8, "maxsd", |a, b, _, env| low64(a, sf::max64(a as u64, b as u64, env));
    Sqrtps: 16, "sqrtps", |_, b, _, env| lanes32::<4>(|i| sf::sqrt32(lane32(b, i), env));
    Sqrtpd: 16, "sqrtpd", |_, b, _, env| lanes64(|i| sf::sqrt64(lane64(b, i), env));
    Sqrtss: 4, "sqrtss" low32(|_, y| y.sqrt()), |a, b, _, env| low32(a, sf::sqrt32(b as u32, env));
    Sqrtsd: 8, "sqrtsd" low64(|_, y| y.sqrt()), |a, b, _, env| low64(a, sf::sqrt64(b as u64, env));
    Cmpps: 16, |a, b, imm, env| lanes32::<4>(|i| cmp32(lane32(a, i), lane32(b, i), imm, env));
    Cmppd: 16, |a, b, imm, env| lanes64(|i| cmp64(lane64(a, i), lane64(b, i), imm, env));
    Cmpss: 4, |a, b, imm, env| low32(a, cmp32(a as u32, b as u32, imm, env));
    Cmpsd: 8, |a, b, imm, env| low64(a, cmp64(a as u64, b as u64, imm, env));
    Roundps: 16, |_, b, imm, env| lanes32::<4>(|i| round32(lane32(b, i), imm, env));
    Roundpd: 16, |_, b, imm, env| lanes64(|i| round64(lane64(b, i), imm, env));
    Roundss: 4, |a, b, imm, env| low32(a, round32(b as u32, imm, env));
    Roundsd: 8, |a, b, imm, env| low64(a, round64(b as u64, imm, env));
    Addsubps: 16, "addsubps", |a, b, _, env| lanes32::<4>(|i| (if i % 2 == 0 { sf::sub32 } else { sf::add32 })(lane32(a, i), lane32(b, i), env));
    Addsubpd: 16, "addsubpd", |a, b, _, env| lanes64(|i| (if i == 0 { sf::sub64 } else { sf::add64 })(lane64(a, i), lane64(b, i), env));
    Haddps: 16, "haddps", |a, b, _, env| lanes32::<4>(|i| { let x = if i < 2 { a } else { b }; sf::add32(lane32(x, 2 * (i % 2)), lane32(x, 2 * (i % 2) + 1), env) });
    Haddpd: 16, "haddpd", |a, b, _, env| lanes64(|i| { let x = if i == 0 { a } else { b }; sf::add64(lane64(x, 0), lane64(x, 1), env) });
    Hsubps: 16, "hsubps", |a, b, _, env| lanes32::<4>(|i| { let x = if i < 2 { a } else { b }; sf::sub32(lane32(x, 2 * (i % 2)), lane32(x, 2 * (i % 2) + 1), env) });
    Hsubpd: 16, "hsubpd", |a, b, _, env| lanes64(|i| { let x = if i == 0 { a } else { b }; sf::sub64(lane64(x, 0), lane64(x, 1), env) });
    Dpps: 16, HAS_STAGES, |a, b, imm, env| soft::dpps(a, b, imm, env);
    Dppd: 16, HAS_STAGES, |a, b, imm, env| soft::dppd(a, b, imm, env);
    Rcpps: 16, |_, b, _, _| lanes32::<4>(|i| (reciprocal32(lane32(b, i)), Flags::NONE));
    Rcpss: 4, |a, b, _, _| low32(a, (reciprocal32(b as u32), Flags::NONE));
    Rsqrtps: 16, |_, b, _, _| lanes32::<4>(|i| (reciprocal_root32(lane32(b, i)), Flags::NONE));
    Rsqrtss: 4, |a, b, _, _| low32(a, (reciprocal_root32(b as u32), Flags::NONE));
    Cvtdq2ps: 16, "cvtdq2ps", |_, b, _, env| lanes32::<4>(|i| sf::i32_to_f32(lane32(b, i) as i32, env));
    Cvtdq2pd: 8, |_, b, _, env| lanes64(|i| sf::i32_to_f64(lane32(b, i) as i32, env));
    Cvtps2dq: 16, "cvtps2dq", |_, b, _, env| lanes32::<4>(|i| bits32(sf::f32_to_i32(lane32(b, i), env)));
    Cvtpd2dq: 16, "cvtpd2dq", |_, b, _, env| lanes32::<2>(|i| bits32(sf::f64_to_i32(lane64(b, i), env)));
    Cvttps2dq: 16, "cvttps2dq", |_, b, _, env| lanes32::<4>(|i| bits32(sf::f32_to_i32_truncate(lane32(b, i), env)));
    Cvttpd2dq: 16, "cvttpd2dq", |_, b, _, env| lanes32::<2>(|i| bits32(sf::f64_to_i32_truncate(lane64(b, i), env)));
    Cvtps2pd: 8, "cvtps2pd", |_, b, _, env| lanes64(|i| sf::f32_to_f64(lane32(b, i), env));
    Cvtpd2ps: 16, "cvtpd2ps", |_, b, _, env| lanes32::<2>(|i| sf::f64_to_f32(lane64(b, i), env));
    Cvtss2sd: 4, |a, b, _, env| low64(a, soft::widen32(b as u32, env));
    Cvtsd2ss: 8, "cvtsd2ss", |a, b, _, env| low32(a, sf::f64_to_f32(b as u64, env));
}

others! {
    Comiss: Status <- Xmm 4, |a, b, _, env| status(soft::compare32(a as u32, b as u32, true, env));
    Comisd: Status <- Xmm 8, |a, b, _, env| status(soft::compare64(a as u64, b as u64, true, env));
    Ucomiss: Status <- Xmm 4, |a, b, _, env| status(soft::compare32(a as u32, b as u32, false, env));
    Ucomisd: Status <- Xmm 8, |a, b, _, env| status(soft::compare64(a as u64, b as u64, false, env));
    Cvtpi2ps: Xmm <- Mmx 8, |a, b, _, env| low64(a, pair(lanes32::<2>(|i| sf::i32_to_f32(lane32(b, i) as i32, env))));
    Cvtpi2pd: Xmm <- Mmx 8 IS_MMX_ONLY_WITH_REGISTER, |_, b, _, env| lanes64(|i| sf::i32_to_f64(lane32(b, i) as i32, env));
    Cvtps2pi: Mmx <- Xmm 8, |_, b, _, env| lanes32::<2>(|i| bits32(sf::f32_to_i32(lane32(b, i), env)));
    Cvtpd2pi: Mmx <- Xmm 16, |_, b, _, env| lanes32::<2>(|i| bits32(sf::f64_to_i32(lane64(b, i), env)));
    Cvttps2pi: Mmx <- Xmm 8, |_, b, _, env| lanes32::<2>(|i| bits32(sf::f32_to_i32_truncate(lane32(b, i), env)));
    Cvttpd2pi: Mmx <- Xmm 16, |_, b, _, env| lanes32::<2>(|i| bits32(sf::f64_to_i32_truncate(lane64(b, i), env)));
    Cvtsi2sd32: Xmm <- General32 4, |a, b, _, _| low64(a, (f64::from(b as i32).to_bits(), Flags::NONE));
    Cvtsi2sd64: Xmm <- General64 8, |a, b, _, env| low64(a, soft::widen64(b as u64, env));
    Cvtsi2ss32: Xmm <- General32 4, |a, b, _, env| low32(a, soft::widen64_to32(i64::from(b as i32), env));
    Cvtsi2ss64: Xmm <- General64 8, |a, b, _, env| low32(a, soft::widen64_to32(b as i64, env));
    Cvtss2si32: General32 <- Xmm 4, |_, b, _, env| integer32(sf::f32_to_i32(b as u32, env));
    Cvtss2si64: General64 <- Xmm 4, |_, b, _, env| integer64(sf::f32_to_i64(b as u32, env));
    Cvttss2si32: General32 <- Xmm 4, |_, b, _, env| integer32(soft::truncate32_to32(b as u32, env));
    Cvttss2si64: General64 <- Xmm 4, |_, b, _, env| integer64(soft::truncate32_to64(b as u32, env));
    Cvtsd2si32: General32 <- Xmm 8, |_, b, _, env| integer32(sf::f64_to_i32(b as u64, env));
    Cvtsd2si64: General64 <- Xmm 8, |_, b, _, env| integer64(sf::f64_to_i64(b as u64, env));
    Cvttsd2si32: General32 <- Xmm 8, |_, b, _, env| integer32(soft::truncate64_to32(b as u64, env));
    Cvttsd2si64: General64 <- Xmm 8, |_, b, _, env| integer64(soft::truncate64_to64(b as u64, env));
}

/// The function of a floating-point instruction.
pub fn select(insn: &Instruction) -> Option<Slow> {
    let is_memory = insn.op_count() > 1 && insn.op_kind(1) == OpKind::Memory;
    let to_64 = insn.op0_register().is_gpr64();
    let from_64 = if is_memory { insn.memory_size() == MemorySize::Int64 } else { insn.op1_register().is_gpr64() };
    macro_rules! sized {
        ($is_64:expr, $narrow:ident, $wide:ident) => {
            if $is_64 { form::<$wide>(is_memory) } else { form::<$narrow>(is_memory) }
        };
    }
    Some(match insn.mnemonic() {
        M::Comiss => form::<Comiss>(is_memory),
        M::Comisd => form::<Comisd>(is_memory),
        M::Ucomiss => form::<Ucomiss>(is_memory),
        M::Ucomisd => form::<Ucomisd>(is_memory),
        M::Cvtpi2ps => form::<Cvtpi2ps>(is_memory),
        M::Cvtpi2pd => form::<Cvtpi2pd>(is_memory),
        M::Cvtps2pi => form::<Cvtps2pi>(is_memory),
        M::Cvttps2pi => form::<Cvttps2pi>(is_memory),
        M::Cvtpd2pi => form::<Cvtpd2pi>(is_memory),
        M::Cvttpd2pi => form::<Cvttpd2pi>(is_memory),
        M::Cvtsi2sd => sized!(from_64, Cvtsi2sd32, Cvtsi2sd64),
        M::Cvtsi2ss => sized!(from_64, Cvtsi2ss32, Cvtsi2ss64),
        M::Cvtss2si => sized!(to_64, Cvtss2si32, Cvtss2si64),
        M::Cvttss2si => sized!(to_64, Cvttss2si32, Cvttss2si64),
        M::Cvtsd2si => sized!(to_64, Cvtsd2si32, Cvtsd2si64),
        M::Cvttsd2si => sized!(to_64, Cvttsd2si32, Cvttsd2si64),
        mnemonic => return vector(mnemonic, is_memory),
    })
}
