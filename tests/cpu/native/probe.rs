//! Finds out in which undefined flags this host departs from the CPU model.
//!
//! The model follows Intel; its rules stand in docs/cpu-undefined-flags.md and, as a tiny reference, in [`Rule`]. Every
//! instruction form with undefined flags runs over fixed operands on the host; flags that ever depart are masked.

use std::collections::BTreeMap;

use iced_x86::{Code, Encoder, Instruction, Mnemonic, OpCodeOperandKind as K, Register};

use super::case::{AF, CF, CODE_BASE, Case, DATA_BASE, End, FLAGS, OF, PF, RAX, RBX, RCX, RDI, RDX, SF, ZF};
use super::engine::Engine;
use super::masks::{Form, Masks, operand_bits};
use super::random::Random;

const OPERANDS_PER_FORM: u64 = 400;
const CORNERS: [u64; 8] = [0, 1, u64::MAX, 0x80, 0x8000, 0x8000_0000, 0x8000_0000_0000_0000, 0x7F7F_7FFF_7FFF_FFFF];

/// The model's rule for the flags that the architecture leaves undefined.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Logic,
    Shl,
    Shr,
    Sar,
    Rol,
    Ror,
    Rcl,
    Rcr,
    Shld,
    Shrd,
    Multiply,
    Divide,
    BitScan,
    BitTest,
}

/// The forms that are probed: register operands, counts in CL. Other forms of a mnemonic follow their register form.
const FORMS: &[(Rule, &[Code])] = &[
    (Rule::Logic, &[Code::And_rm8_r8, Code::And_rm16_r16, Code::And_rm32_r32, Code::And_rm64_r64]),
    (Rule::Logic, &[Code::Or_rm8_r8, Code::Or_rm16_r16, Code::Or_rm32_r32, Code::Or_rm64_r64]),
    (Rule::Logic, &[Code::Xor_rm8_r8, Code::Xor_rm16_r16, Code::Xor_rm32_r32, Code::Xor_rm64_r64]),
    (Rule::Logic, &[Code::Test_rm8_r8, Code::Test_rm16_r16, Code::Test_rm32_r32, Code::Test_rm64_r64]),
    (Rule::Shl, &[Code::Shl_rm8_CL, Code::Shl_rm16_CL, Code::Shl_rm32_CL, Code::Shl_rm64_CL]),
    (Rule::Shl, &[Code::Sal_rm8_CL, Code::Sal_rm16_CL, Code::Sal_rm32_CL, Code::Sal_rm64_CL]),
    (Rule::Shr, &[Code::Shr_rm8_CL, Code::Shr_rm16_CL, Code::Shr_rm32_CL, Code::Shr_rm64_CL]),
    (Rule::Sar, &[Code::Sar_rm8_CL, Code::Sar_rm16_CL, Code::Sar_rm32_CL, Code::Sar_rm64_CL]),
    (Rule::Rol, &[Code::Rol_rm8_CL, Code::Rol_rm16_CL, Code::Rol_rm32_CL, Code::Rol_rm64_CL]),
    (Rule::Ror, &[Code::Ror_rm8_CL, Code::Ror_rm16_CL, Code::Ror_rm32_CL, Code::Ror_rm64_CL]),
    (Rule::Rcl, &[Code::Rcl_rm8_CL, Code::Rcl_rm16_CL, Code::Rcl_rm32_CL, Code::Rcl_rm64_CL]),
    (Rule::Rcr, &[Code::Rcr_rm8_CL, Code::Rcr_rm16_CL, Code::Rcr_rm32_CL, Code::Rcr_rm64_CL]),
    (Rule::Shld, &[Code::Shld_rm16_r16_CL, Code::Shld_rm32_r32_CL, Code::Shld_rm64_r64_CL]),
    (Rule::Shrd, &[Code::Shrd_rm16_r16_CL, Code::Shrd_rm32_r32_CL, Code::Shrd_rm64_r64_CL]),
    (Rule::Multiply, &[Code::Mul_rm8, Code::Mul_rm16, Code::Mul_rm32, Code::Mul_rm64]),
    (Rule::Multiply, &[Code::Imul_rm8, Code::Imul_rm16, Code::Imul_rm32, Code::Imul_rm64]),
    (Rule::Multiply, &[Code::Imul_r16_rm16, Code::Imul_r32_rm32, Code::Imul_r64_rm64]),
    (Rule::Divide, &[Code::Div_rm8, Code::Div_rm16, Code::Div_rm32, Code::Div_rm64]),
    (Rule::Divide, &[Code::Idiv_rm8, Code::Idiv_rm16, Code::Idiv_rm32, Code::Idiv_rm64]),
    (Rule::BitScan, &[Code::Bsf_r16_rm16, Code::Bsf_r32_rm32, Code::Bsf_r64_rm64]),
    (Rule::BitScan, &[Code::Bsr_r16_rm16, Code::Bsr_r32_rm32, Code::Bsr_r64_rm64]),
    (Rule::BitTest, &[Code::Bt_rm16_r16, Code::Bt_rm32_r32, Code::Bt_rm64_r64]),
    (Rule::BitTest, &[Code::Bts_rm16_r16, Code::Bts_rm32_r32, Code::Bts_rm64_r64]),
    (Rule::BitTest, &[Code::Btr_rm16_r16, Code::Btr_rm32_r32, Code::Btr_rm64_r64]),
    (Rule::BitTest, &[Code::Btc_rm16_r16, Code::Btc_rm32_r32, Code::Btc_rm64_r64]),
];

/// What one probed instruction started from and gave.
struct Observed {
    bits: u32,
    /// First operand before.
    a: u64,
    /// Second operand.
    b: u64,
    count: u64,
    before: u64,
    /// First operand, or the low half of a product, after.
    result: u64,
}

impl Observed {
    fn bit(&self, value: u64, n: u32) -> bool {
        value >> n & 1 != 0
    }
    fn msb(&self, value: u64) -> bool {
        self.bit(value, self.bits - 1)
    }
    fn masked_count(&self) -> u64 {
        self.count & if self.bits == 64 { 63 } else { 31 }
    }
    fn top_two_differ(&self) -> bool {
        self.msb(self.a) != self.bit(self.a, self.bits - 2)
    }
}

fn set(flag: u64, on: bool) -> u64 {
    if on { flag } else { 0 }
}

fn parity(value: u64) -> u64 {
    set(PF, (value as u8).count_ones().is_multiple_of(2))
}

impl Rule {
    /// The undefined flags in this situation, and what the model puts there.
    fn expect(self, o: &Observed) -> (u64, u64) {
        let count = o.masked_count();
        let overflow = match self {
            Rule::Shl | Rule::Rol | Rule::Rcl | Rule::Shld => o.top_two_differ(),
            Rule::Shr => o.msb(o.a),
            Rule::Ror => o.bit(o.a, 0) != o.msb(o.a),
            Rule::Rcr => o.msb(o.a) != (o.before & CF != 0),
            Rule::Shrd => o.msb(o.a) != o.bit(o.b, 0),
            _ => false,
        };
        match self {
            Rule::Logic => (AF, 0),
            Rule::BitTest => (OF | SF | AF | PF, o.before & (OF | SF | AF | PF)),
            Rule::Divide => (FLAGS, o.before),
            Rule::Multiply => (SF | ZF | AF | PF, set(SF, o.msb(o.result)) | parity(o.result)),
            Rule::BitScan if o.b == 0 => (CF | OF | SF | AF, 0),
            Rule::BitScan => (CF | OF | SF | AF | PF, parity(o.result)),
            _ if count == 0 => (0, 0),
            Rule::Rol | Rule::Ror | Rule::Rcl | Rule::Rcr => (OF, set(OF, overflow)),
            Rule::Shl | Rule::Shr if count >= u64::from(o.bits) => {
                let last = if matches!(self, Rule::Shl) { o.bit(o.a, 0) } else { o.msb(o.a) };
                let carry = set(CF, last && count == u64::from(o.bits));
                (AF | OF | CF, set(OF, overflow) | carry)
            }
            _ => (AF | OF, set(OF, overflow)),
        }
    }
}

/// A register form with its first operand in RDX (or RBX for the implicit-accumulator forms) and its second in RBX.
fn encode(code: Code) -> Vec<u8> {
    let op_code = code.op_code();
    let sized = |register: Register, kind: K| match kind {
        K::r8_or_mem | K::r8_reg => register,
        _ => {
            let step = match operand_bits(code) {
                16 => Register::AX,
                32 => Register::EAX,
                _ => Register::RAX,
            };
            step + (register as u32 - Register::AL as u32)
        }
    };
    let mut instruction = Instruction::default();
    instruction.set_code(code);
    let only_source = op_code.op_count() == 1;
    for operand in 0..op_code.op_count() {
        let kind = op_code.op_kind(operand);
        let register = match (operand, kind) {
            (_, K::cl) => Register::CL,
            (0, _) if !only_source => sized(Register::DL, kind),
            _ => sized(Register::BL, kind),
        };
        instruction.set_op_register(operand, register);
    }
    let mut encoder = Encoder::new(64);
    encoder.encode(&instruction, CODE_BASE).expect("register forms encode");
    encoder.take_buffer()
}

fn operand(random: &mut Random) -> u64 {
    let width_mask = random.pick(&[0xFF, 0xFFFF, 0xFFFF_FFFF, u64::MAX]);
    if random.chance(40) { random.pick(&CORNERS) } else { random.next() & width_mask }
}

/// Flags in which one form departs from its rule over the fixed operands.
fn departures(engine: &mut dyn Engine, rule: Rule, code: Code) -> u64 {
    let mut case = Case::of_code(&encode(code), 1);
    let bits = operand_bits(code);
    let low = |value: u64| {
        if bits == 64 { value } else { value & ((1 << bits) - 1) }
    };
    let is_accumulator_form = code.op_code().op_count() == 1;
    let mut random = Random::for_case(code as u64, 1);
    let mut found = 0;
    for _ in 0..OPERANDS_PER_FORM {
        let mut gpr = [0; 16];
        gpr[RAX] = operand(&mut random);
        gpr[RBX] = operand(&mut random);
        gpr[RCX] = random.below(64);
        gpr[RDX] = operand(&mut random);
        if matches!(rule, Rule::Divide) {
            // Positive and small enough never to fault: the quotient fits with an empty upper half.
            gpr[RAX] = if bits == 8 { gpr[RAX] & 0x7F } else { low(gpr[RAX]) >> 1 };
            gpr[RDX] = 0;
            gpr[RBX] = (low(gpr[RBX]) >> 1) | 1;
        }
        if matches!(rule, Rule::Shld | Rule::Shrd) && bits == 16 {
            gpr[RCX] %= 17;
        }
        case.before.gpr = gpr;
        case.before.rflags = random.next() & FLAGS;
        let after = engine.run(&case);
        assert_eq!(after.end, End::Reached, "the probe of {code:?} faulted");
        let result = if is_accumulator_form { RAX } else { RDX };
        let observed = Observed {
            bits,
            a: low(gpr[RDX]),
            b: low(gpr[RBX]),
            count: gpr[RCX],
            before: case.before.rflags,
            result: low(after.state.gpr[result]),
        };
        let (undefined, expected) = rule.expect(&observed);
        found |= (after.state.rflags ^ expected) & undefined;
    }
    found
}

/// Probes every form with a rule.
pub fn measure(engine: &mut dyn Engine) -> Masks {
    let mut measured: BTreeMap<Form, u64> = BTreeMap::new();
    for (rule, codes) in FORMS {
        for &code in *codes {
            *measured.entry((code.mnemonic(), operand_bits(code))).or_default() |= departures(engine, *rule, code);
        }
    }
    Masks {
        measured,
        status: fcomi_departures(engine),
        failed_cmpxchg_keeps_upper_half: failed_cmpxchg_keeps_upper_half(engine),
        mmx_before_fault: mmx_before_fault(engine),
        cvtpi2ps_from_memory_stays: cvtpi2ps_from_memory_stays(engine),
    }
}

/// A fault should leave the state as it was; Zen 4 has set TOP to 0 and the tags to full by the time of these.
fn mmx_before_fault(engine: &mut dyn Engine) -> Vec<(Mnemonic, u8)> {
    const PAGE_FAULT: u8 = 14;
    const SIMD: u8 = 19;
    // MASKMOVQ MM0, MM0 to address 0; conversions of XMM0 or MM0.
    let forms: [(Mnemonic, u8, &[u8]); 6] = [
        (Mnemonic::Maskmovq, PAGE_FAULT, &[0x0F, 0xF7, 0xC0]),
        (Mnemonic::Cvtps2pi, SIMD, &[0x0F, 0x2D, 0xC0]),
        (Mnemonic::Cvttps2pi, SIMD, &[0x0F, 0x2C, 0xC0]),
        (Mnemonic::Cvtpd2pi, SIMD, &[0x66, 0x0F, 0x2D, 0xC0]),
        (Mnemonic::Cvttpd2pi, SIMD, &[0x66, 0x0F, 0x2C, 0xC0]),
        (Mnemonic::Cvtpi2ps, SIMD, &[0x0F, 0x2A, 0xC0]),
    ];
    let mut enters = |&(mnemonic, vector, code): &(Mnemonic, u8, &[u8])| {
        let mut case = Case::of_code(code, 1);
        // Too large for every target; all exceptions unmasked.
        case.before.fx.set_mxcsr(0);
        case.before.fx.set_xmm(0, u128::from_le_bytes([0x7F; 16]));
        case.before.fx.set_st(0, [0xBF; 10]);
        let after = engine.run(&case);
        assert!(
            matches!(after.end, End::Fault(fault) if fault.vector == vector),
            "the probe of {mnemonic:?} ended with {:?}",
            after.end
        );
        after.state.fx.0[4] == 0xFF
    };
    forms.iter().filter(|form| enters(form)).map(|&(mnemonic, vector, _)| (mnemonic, vector)).collect()
}

/// CVTPI2PS changes to MMX state from memory too by Intel's manual, in contrast to CVTPI2PD.
fn cvtpi2ps_from_memory_stays(engine: &mut dyn Engine) -> bool {
    let mut case = Case::of_code(&[0x0F, 0x2A, 0x07], 1); // cvtpi2ps xmm0, [rdi]
    case.before.gpr[RDI] = DATA_BASE;
    let after = engine.run(&case);
    assert_eq!(after.end, End::Reached, "the probe of CVTPI2PS faulted");
    after.state.fx.0[4] == 0
}

/// FCOMI and its kin set C1 to 0 by Intel's manual; AMD's leaves it alone.
fn fcomi_departures(engine: &mut dyn Engine) -> BTreeMap<Mnemonic, u16> {
    const C1: u16 = 1 << 9;
    // With ST(1).
    let forms = [
        (Mnemonic::Fcomi, [0xDB, 0xF1]),
        (Mnemonic::Fcomip, [0xDF, 0xF1]),
        (Mnemonic::Fucomi, [0xDB, 0xE9]),
        (Mnemonic::Fucomip, [0xDF, 0xE9]),
    ];
    let found = forms.map(|(mnemonic, code)| {
        let mut case = Case::of_code(&code, 1);
        case.before.fx.set_fsw(C1);
        case.before.fx.set_ftw(0xFF);
        let after = engine.run(&case);
        assert_eq!(after.end, End::Reached, "the probe of {mnemonic:?} faulted");
        (mnemonic, after.state.fx.fsw() & C1)
    });
    found.into_iter().filter(|(_, status)| *status != 0).collect()
}

/// CMPXCHG r32, r32 writes its destination in any case by Intel's manual, which clears the upper half.
fn failed_cmpxchg_keeps_upper_half(engine: &mut dyn Engine) -> bool {
    let mut case = Case::of_code(&[0x0F, 0xB1, 0xCB], 1); // cmpxchg ebx, ecx
    case.before.gpr[RBX] = 5 << 32 | 5;
    let after = engine.run(&case);
    assert_eq!(after.end, End::Reached, "the probe of CMPXCHG faulted");
    after.state.gpr[RBX] >> 32 != 0
}
