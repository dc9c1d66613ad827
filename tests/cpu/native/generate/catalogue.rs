//! Which instructions are generated: all that the CPU model `reenact-x86-64-v2` has and user code may run.
//!
//! Left out: what the model lacks, what the host's kernel would see (system calls, INT n), what needs descriptor tables
//! or changes segments, what reads time, and forms that Intel and AMD decode differently.

use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, OpCodeInfo, OpCodeOperandKind};

/// Features of the model, in iced's terms.
const MODEL: &[CpuidFeature] = &[
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::CLFSH,
    CpuidFeature::CMOV,
    CpuidFeature::CMPXCHG16B,
    CpuidFeature::CX8,
    CpuidFeature::FPU,
    CpuidFeature::FPU287,
    CpuidFeature::FPU387,
    CpuidFeature::FXSR,
    CpuidFeature::MMX,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::PAUSE,
    CpuidFeature::POPCNT,
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
    CpuidFeature::SSE3,
    CpuidFeature::SSSE3,
    CpuidFeature::SSE4_1,
    CpuidFeature::SSE4_2,
];

/// Not generated although the features match.
const LEFT_OUT: &[Mnemonic] = &[
    // The kernel or its descriptor tables would show.
    Mnemonic::Int,
    Mnemonic::Int1,
    Mnemonic::Into,
    Mnemonic::Iret,
    Mnemonic::Iretd,
    Mnemonic::Iretq,
    Mnemonic::Retf,
    Mnemonic::Lar,
    Mnemonic::Lsl,
    Mnemonic::Verr,
    Mnemonic::Verw,
    Mnemonic::Sgdt,
    Mnemonic::Sidt,
    Mnemonic::Sldt,
    Mnemonic::Smsw,
    Mnemonic::Str,
    Mnemonic::Lfs,
    Mnemonic::Lgs,
    Mnemonic::Lss,
    Mnemonic::Cli,
    Mnemonic::Sti,
    Mnemonic::In,
    Mnemonic::Out,
    Mnemonic::Insb,
    Mnemonic::Insw,
    Mnemonic::Insd,
    Mnemonic::Outsb,
    Mnemonic::Outsw,
    Mnemonic::Outsd,
    // UD0 has a ModRM byte on Intel and none on AMD.
    Mnemonic::Ud0,
    // Forms with a leading FWAIT are two instructions.
    Mnemonic::Fstenv,
    Mnemonic::Fstcw,
    Mnemonic::Feni,
    Mnemonic::Fdisi,
    Mnemonic::Fclex,
    Mnemonic::Finit,
    Mnemonic::Fsetpm,
    Mnemonic::Fsave,
    Mnemonic::Fstsw,
    // Left-overs of the 8087 and 80287.
    Mnemonic::Fneni,
    Mnemonic::Fndisi,
    Mnemonic::Fnsetpm,
    Mnemonic::Fstpnce,
];

/// What a block is made of; also a coarse class for picking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Integer,
    Sse,
    /// x87 and MMX, which share registers.
    Fpu,
}

/// The family of a generated instruction.
pub fn family(code: Code) -> Family {
    let features = code.cpuid_features();
    let has = |of: &[CpuidFeature]| features.iter().any(|feature| of.contains(feature));
    let op_code = code.op_code();
    let is_mm = op_code.op_kinds().iter().any(|kind| {
        matches!(kind, OpCodeOperandKind::mm_reg | OpCodeOperandKind::mm_rm | OpCodeOperandKind::mm_or_mem)
    });
    if is_mm || has(&[CpuidFeature::FPU, CpuidFeature::FPU287, CpuidFeature::FPU387, CpuidFeature::MMX]) {
        return Family::Fpu;
    }
    let sse = [
        CpuidFeature::SSE,
        CpuidFeature::SSE2,
        CpuidFeature::SSE3,
        CpuidFeature::SSSE3,
        CpuidFeature::SSE4_1,
        CpuidFeature::SSE4_2,
        CpuidFeature::FXSR,
    ];
    if has(&sse) { Family::Sse } else { Family::Integer }
}

/// Whether an instruction ends straight-line code.
pub fn is_branch(code: Code) -> bool {
    use Mnemonic as M;
    let branch_operand = code
        .op_code()
        .op_kinds()
        .iter()
        .any(|kind| matches!(kind, OpCodeOperandKind::br64_1 | OpCodeOperandKind::br64_4));
    branch_operand || matches!(code.mnemonic(), M::Jmp | M::Call | M::Ret | M::Int3 | M::Ud1 | M::Ud2)
}

/// The instructions that have the given family and no branch.
pub fn of_family(codes: &[Code], wanted: Family) -> Vec<Code> {
    codes.iter().copied().filter(|&code| !is_branch(code) && family(code) == wanted).collect()
}

/// Every instruction form that is generated, in iced's order.
pub fn catalogue() -> Vec<Code> {
    Code::values().filter(|&code| is_generated(code)).collect()
}

fn is_generated(code: Code) -> bool {
    let op_code = code.op_code();
    let legal = op_code.is_instruction()
        && op_code.mode64()
        && op_code.intel_decoder64()
        && op_code.encoding() == EncodingKind::Legacy
        && !code.is_privileged()
        && !op_code.is_reserved_nop();
    legal
        && code.cpuid_features().iter().all(|feature| MODEL.contains(feature))
        && !LEFT_OUT.contains(&code.mnemonic())
        && !differs_by_vendor(code)
        && !has_left_out_operand(op_code)
}

/// Near branches with a 66 prefix: Intel ignores the prefix in 64-bit mode, AMD truncates RIP. BSWAP r16 is undefined.
fn differs_by_vendor(code: Code) -> bool {
    matches!(
        code,
        Code::Retnw
            | Code::Retnw_imm16
            | Code::Jmp_rm16
            | Code::Call_rm16
            | Code::Bswap_r16
            | Code::Jmp_rm32
            | Code::Call_rm32
    )
}

fn has_left_out_operand(op_code: &OpCodeInfo) -> bool {
    use OpCodeOperandKind as K;
    let segment = [K::seg_reg, K::es, K::cs, K::ss, K::ds, K::fs, K::gs, K::cr_reg, K::dr_reg, K::tr_reg];
    let far_or_short = [K::farbr2_2, K::farbr4_2, K::br16_1, K::br16_2, K::br32_1, K::br32_4, K::brdisp_2, K::brdisp_4];
    let is_far = op_code.mnemonic() == Mnemonic::Jmp || op_code.mnemonic() == Mnemonic::Call;
    op_code
        .op_kinds()
        .iter()
        .any(|kind| segment.contains(kind) || far_or_short.contains(kind) || (is_far && *kind == K::mem))
}
