//! Templates of SSE instructions: the same instruction of the host on its first two vector registers, the guest's registers
//! staying in `Cpu::xmm`.
//!
//! What computes with floating point runs under the guest's MXCSR, which is loaded when the first such instruction is
//! reached and taken back when code is left or calls a handler; only with all exceptions masked, as an unmasked one would
//! be a signal to this process.

use super::asm::{Rm, cc};
use super::compile::Compiler;
use super::layout::{A, B, LOADED, xmm};
use super::operand::{Access, general, is_memory};
use iced_x86::{Instruction, MandatoryPrefix, Mnemonic, OpCodeTableKind, OpKind};

const M_A: Rm = Rm::M(A, 0);
/// The host's vector registers that templates use.
const FIRST: u8 = 0;
const SECOND: u8 = 1;

/// How a vector instruction is encoded.
struct Code {
    prefix: u8,
    opcode: Vec<u8>,
    size: usize,
    immediate: Option<u8>,
}

impl Code {
    fn of(insn: &Instruction) -> Option<Code> {
        let info = insn.op_code();
        let prefix = match info.mandatory_prefix() {
            MandatoryPrefix::None | MandatoryPrefix::PNP => 0,
            MandatoryPrefix::P66 => 0x66,
            MandatoryPrefix::PF3 => 0xf3,
            MandatoryPrefix::PF2 => 0xf2,
        };
        let opcode = match info.table() {
            OpCodeTableKind::T0F => vec![0x0f, info.op_code() as u8],
            OpCodeTableKind::T0F38 => vec![0x0f, 0x38, info.op_code() as u8],
            OpCodeTableKind::T0F3A => vec![0x0f, 0x3a, info.op_code() as u8],
            _ => return None,
        };
        let last = insn.op_count().checked_sub(1)?;
        let immediate = (insn.op_kind(last) == OpKind::Immediate8).then(|| insn.immediate8());
        let is_wide = (0..insn.op_count().min(2))
            .any(|i| insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_gpr64())
            || insn.memory_size() == iced_x86::MemorySize::Int64 && is_conversion(insn.mnemonic());
        Some(Code { prefix, opcode, size: if is_wide { 8 } else { 4 }, immediate })
    }
}

fn is_conversion(m: Mnemonic) -> bool {
    matches!(m, Mnemonic::Cvtsi2sd | Mnemonic::Cvtsi2ss)
}

impl Compiler<'_> {
    /// Emits a template for a vector instruction, if it has one.
    pub(super) fn vector(&mut self, insn: &Instruction) -> Option<()> {
        use Mnemonic as M;
        let is_vector =
            |i: u32| i < insn.op_count() && insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_xmm();
        match insn.mnemonic() {
            M::Movaps
            | M::Movapd
            | M::Movdqa
            | M::Movups
            | M::Movupd
            | M::Movdqu
            | M::Lddqu
            | M::Movntps
            | M::Movntpd
            | M::Movntdq => self.move_whole(insn),
            M::Movq | M::Movd | M::Movss | M::Movsd | M::Movlps | M::Movlpd | M::Movhps | M::Movhpd => {
                self.move_part(insn)
            }
            m if is_integer(m) && is_vector(0) && (is_vector(1) || is_memory(insn, 1)) => {
                self.vector_source(insn, false)
            }
            m if is_shift(m) && is_vector(0) => self.vector_shift(insn),
            m if is_float(m) && is_vector(0) => self.vector_source(insn, true),
            M::Pmovmskb | M::Movmskps | M::Movmskpd if is_vector(1) => self.vector_to_general(insn, false),
            M::Cvttsd2si | M::Cvttss2si | M::Cvtsd2si | M::Cvtss2si => self.vector_to_general(insn, true),
            M::Ucomisd | M::Ucomiss | M::Comisd | M::Comiss => {
                self.vector_source(insn, true)?;
                self.status.only_host();
                Some(())
            }
            M::Ptest if is_vector(0) => {
                self.vector_source(insn, false)?;
                self.status.only_host();
                Some(())
            }
            _ => None,
        }
    }

    fn vector_load(&mut self, to: u8, from: Rm) {
        self.a.op(0, 4, &[0x0f, 0x28], to, from); // movaps
    }
    fn vector_store(&mut self, to: Rm, from: u8) {
        self.a.op(0, 4, &[0x0f, 0x29], from, to);
    }
    /// Has the handler raise the fault if A is no multiple of 16.
    fn check_aligned(&mut self) {
        self.a.op(0, 1, &[0xf6], 0, Rm::R(A));
        self.a.imm(1, 15);
        self.refuse_if(cc::NE);
    }
    fn move_whole(&mut self, insn: &Instruction) -> Option<()> {
        use Mnemonic as M;
        let is_aligned = !matches!(insn.mnemonic(), M::Movups | M::Movupd | M::Movdqu | M::Lddqu);
        if is_memory(insn, 0) {
            let from = xmm_operand(insn, 1)?;
            self.memory(insn, 16, Access::Write);
            if is_aligned {
                self.check_aligned();
            }
            self.vector_load(FIRST, from);
            self.a.op(0, 4, &[0x0f, 0x11], FIRST, M_A);
            return Some(());
        }
        let to = xmm_operand(insn, 0)?;
        if is_memory(insn, 1) {
            self.memory(insn, 16, Access::Read);
            if is_aligned {
                self.check_aligned();
            }
            self.a.op(0, 4, &[0x0f, 0x10], FIRST, M_A);
        } else {
            let from = xmm_operand(insn, 1)?;
            self.vector_load(FIRST, from);
        }
        self.vector_store(to, FIRST);
        Some(())
    }
    /// MOVD, MOVQ, MOVSS, MOVSD, MOVLPS, MOVHPS and their like.
    fn move_part(&mut self, insn: &Instruction) -> Option<()> {
        use Mnemonic as M;
        let m = insn.mnemonic();
        let is_half = matches!(m, M::Movlps | M::Movlpd | M::Movhps | M::Movhpd);
        if is_memory(insn, 0) {
            let Rm::M(base, at) = xmm_operand(insn, 1)? else { return None };
            let upper = if matches!(m, M::Movhps | M::Movhpd) { 8 } else { 0 };
            let bytes = insn.memory_size().size();
            self.memory(insn, bytes, Access::Write);
            self.a.load(bytes, B, Rm::M(base, at + upper));
            self.a.store(bytes, M_A, B);
            return Some(());
        }
        if let Some(d) = general(insn, 0) {
            let from = xmm_operand(insn, 1)?;
            match d.at {
                Rm::R(r) => self.a.load(d.size, r, from),
                slot => {
                    self.a.load(d.size, A, from);
                    self.a.store(8, slot, A);
                }
            }
            return Some(());
        }
        let to = xmm_operand(insn, 0)?;
        if is_memory(insn, 1) {
            let bytes = insn.memory_size().size();
            self.memory(insn, bytes, Access::Read);
            if is_half {
                let code = Code::of(insn)?;
                self.vector_load(FIRST, to);
                self.a.op(code.prefix, 4, &code.opcode, FIRST, M_A);
            } else if bytes == 8 {
                self.a.op(0xf3, 4, &[0x0f, 0x7e], FIRST, M_A);
            } else {
                self.a.op(0x66, 4, &[0x0f, 0x6e], FIRST, M_A);
            }
        } else if let Some(s) = general(insn, 1) {
            self.a.op(0x66, s.size, &[0x0f, 0x6e], FIRST, s.at);
        } else {
            let from = xmm_operand(insn, 1)?;
            let code = Code::of(insn)?;
            match m {
                M::Movq => self.a.op(0xf3, 4, &[0x0f, 0x7e], FIRST, from),
                M::Movss | M::Movsd => {
                    self.vector_load(FIRST, to);
                    self.vector_load(SECOND, from);
                    let opcode = [0x0f, 0x10];
                    self.a.op(code.prefix, 4, &opcode, FIRST, Rm::R(SECOND));
                }
                _ => return None,
            }
        }
        self.vector_store(to, FIRST);
        Some(())
    }
    /// `xmm op= xmm/memory/general register`, with or without an immediate; or a comparison that sets flags.
    fn vector_source(&mut self, insn: &Instruction, is_float: bool) -> Option<()> {
        let code = Code::of(insn)?;
        let to = xmm_operand(insn, 0)?;
        let sets_flags = insn.rflags_modified() != 0;
        let source = xmm_operand(insn, 1);
        let from = if is_memory(insn, 1) {
            M_A
        } else if let Some(g) = general(insn, 1) {
            g.at
        } else {
            source?;
            Rm::R(SECOND)
        };
        if is_float {
            self.need_mxcsr();
        }
        if from == M_A {
            self.vector_memory(insn);
        }
        self.vector_load(FIRST, to);
        if let Some(source) = source {
            self.vector_load(SECOND, source);
        }
        self.a.op(code.prefix, code.size, &code.opcode, FIRST, from);
        if let Some(v) = code.immediate {
            self.a.imm(1, i64::from(v));
        }
        if !sets_flags {
            self.vector_store(to, FIRST);
        }
        Some(())
    }
    /// The memory source's host address into A.
    fn vector_memory(&mut self, insn: &Instruction) {
        let bytes = insn.memory_size().size();
        self.memory(insn, bytes, Access::Read);
        if bytes == 16 {
            self.check_aligned();
        }
    }
    /// Shifts by a constant; those by a register are like any other.
    fn vector_shift(&mut self, insn: &Instruction) -> Option<()> {
        if insn.op_kind(1) != OpKind::Immediate8 {
            return self.vector_source(insn, false);
        }
        let code = Code::of(insn)?;
        let to = xmm_operand(insn, 0)?;
        let extension = u8::try_from(insn.op_code().group_index()).ok()?;
        self.vector_load(FIRST, to);
        self.a.op(code.prefix, 4, &code.opcode, extension, Rm::R(FIRST));
        self.a.imm(1, i64::from(insn.immediate8()));
        self.vector_store(to, FIRST);
        Some(())
    }
    /// From a vector register or memory to a general register.
    fn vector_to_general(&mut self, insn: &Instruction, is_float: bool) -> Option<()> {
        let code = Code::of(insn)?;
        let d = general(insn, 0)?;
        let in_memory = is_memory(insn, 1);
        if !in_memory {
            xmm_operand(insn, 1)?;
        }
        if is_float {
            self.need_mxcsr();
        }
        let mut from = M_A;
        if in_memory {
            self.vector_memory(insn);
        } else {
            let source = xmm_operand(insn, 1)?;
            self.vector_load(FIRST, source);
            from = Rm::R(FIRST);
        }
        let to = if let Rm::R(r) = d.at { r } else { A };
        self.a.op(code.prefix, d.size, &code.opcode, to, from);
        if !d.is_host() {
            self.a.store(8, d.at, A);
        }
        Some(())
    }
    /// Makes sure that the guest's MXCSR is loaded and masks all exceptions, or has the handler do the instruction.
    fn need_mxcsr(&mut self) {
        if self.has_mxcsr {
            return;
        }
        self.give_up_status();
        self.a.alu_imm(7, 1, LOADED, 0);
        let is_loaded = self.a.jcc_ahead(cc::NE);
        self.a.call(self.thunks.load_mxcsr);
        self.refuse_if(cc::NE);
        self.a.place(is_loaded);
        self.has_mxcsr = true;
    }
}

fn xmm_operand(insn: &Instruction, i: u32) -> Option<Rm> {
    let is_xmm = insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_xmm();
    is_xmm.then(|| xmm(insn.op_register(i).number()))
}

/// Computes with integers or moves them, from the first two operands and maybe a constant to the first.
fn is_integer(m: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        m,
        Pxor | Xorps
            | Xorpd
            | Pand
            | Andps
            | Andpd
            | Por
            | Orps
            | Orpd
            | Pandn
            | Andnps
            | Andnpd
            | Paddb
            | Paddw
            | Paddd
            | Paddq
            | Psubb
            | Psubw
            | Psubd
            | Psubq
            | Paddsb
            | Paddsw
            | Paddusb
            | Paddusw
            | Psubsb
            | Psubsw
            | Psubusb
            | Psubusw
            | Pavgb
            | Pavgw
            | Pcmpeqb
            | Pcmpeqw
            | Pcmpeqd
            | Pcmpeqq
            | Pcmpgtb
            | Pcmpgtw
            | Pcmpgtd
            | Pcmpgtq
            | Pminub
            | Pminuw
            | Pminud
            | Pminsb
            | Pminsw
            | Pminsd
            | Pmaxub
            | Pmaxuw
            | Pmaxud
            | Pmaxsb
            | Pmaxsw
            | Pmaxsd
            | Pabsb
            | Pabsw
            | Pabsd
            | Pmullw
            | Pmulld
            | Pmulhw
            | Pmulhuw
            | Pmuludq
            | Pmuldq
            | Pmaddwd
            | Psadbw
            | Pshufb
            | Pshufd
            | Pshufhw
            | Pshuflw
            | Shufps
            | Shufpd
            | Palignr
            | Punpcklbw
            | Punpcklwd
            | Punpckldq
            | Punpcklqdq
            | Punpckhbw
            | Punpckhwd
            | Punpckhdq
            | Punpckhqdq
            | Unpcklps
            | Unpcklpd
            | Unpckhps
            | Unpckhpd
            | Packsswb
            | Packssdw
            | Packuswb
            | Packusdw
            | Movhlps
            | Movlhps
    )
}
fn is_shift(m: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(m, Psllw | Pslld | Psllq | Pslldq | Psrlw | Psrld | Psrlq | Psrldq | Psraw | Psrad)
}
/// Computes with floating point, exactly as IEEE 754 and the manual say: no approximations, nothing in stages.
fn is_float(m: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        m,
        Addps
            | Addpd
            | Addss
            | Addsd
            | Subps
            | Subpd
            | Subss
            | Subsd
            | Mulps
            | Mulpd
            | Mulss
            | Mulsd
            | Divps
            | Divpd
            | Divss
            | Divsd
            | Minps
            | Minpd
            | Minss
            | Minsd
            | Maxps
            | Maxpd
            | Maxss
            | Maxsd
            | Sqrtps
            | Sqrtpd
            | Sqrtss
            | Sqrtsd
            | Cmpps
            | Cmppd
            | Cmpss
            | Cmpsd
            | Cvtsi2sd
            | Cvtsi2ss
            | Cvtss2sd
            | Cvtsd2ss
            | Cvtdq2ps
            | Cvtps2dq
            | Cvttps2dq
            | Cvtps2pd
            | Cvtpd2ps
            | Cvtdq2pd
            | Cvtpd2dq
            | Cvttpd2dq
    )
}
