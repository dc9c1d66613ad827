//! Status flags between instructions: in the host's flags, saved in [`super::Live::flags`], or both.
//!
//! A template that sets flags leaves them in the host's register. They are saved when something is about to destroy them
//! or may leave the block; an instruction that replaces them all first makes that unnecessary.

use super::asm::{Rm, cc};
use super::compile::Compiler;
use super::layout::{A, FLAGS, LOW_FLAGS};
use super::operand::{is_memory, register};
use iced_x86::{Mnemonic, OpKind};

/// Where the guest's status flags are at a point of the code. At least one is true.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The host's flags are the guest's.
    pub in_host: bool,
    /// [`super::Live::flags`] is up to date.
    pub saved: bool,
}

impl Default for Status {
    fn default() -> Status {
        Status { in_host: false, saved: true }
    }
}

impl Status {
    /// Something else was done with the host's flags.
    pub fn only_saved(&mut self) {
        *self = Status { in_host: false, saved: true };
    }
    /// An instruction has just set the host's flags as the guest is to see them.
    pub fn only_host(&mut self) {
        *self = Status { in_host: true, saved: false };
    }
}

impl Compiler<'_> {
    /// True if the flags that the instruction at hand sets are all replaced before anything can see them.
    pub(super) fn is_status_dead(&self) -> bool {
        use Mnemonic as M;
        for insn in &self.instructions[self.number..] {
            if insn.mnemonic() == M::Nop {
                continue;
            }
            let is_plain = (0..insn.op_count().min(2)).all(|i| match insn.op_kind(i) {
                OpKind::Register => register(insn.op_register(i)).is_some(),
                OpKind::Memory => insn.mnemonic() == M::Lea,
                _ => true,
            });
            if !is_plain {
                return false;
            }
            match insn.mnemonic() {
                M::Add | M::Sub | M::Cmp | M::And | M::Or | M::Xor | M::Test | M::Neg => return true,
                M::Mov | M::Movzx | M::Movsx | M::Movsxd | M::Not => {}
                M::Lea if is_memory(insn, 1) && insn.op_register(0).size() >= 4 => {}
                _ => return false,
            }
        }
        false
    }
    /// Makes sure that flags are saved. Needs A; the host's flags stay.
    pub(super) fn save_status(&mut self) {
        if !self.status.saved {
            self.store_host_status();
            self.status.saved = true;
        }
    }
    /// The host's flags to the saved ones, whatever they are. Needs A; the host's flags stay.
    pub(super) fn store_host_status(&mut self) {
        self.a.byte(0x9f); // lahf
        self.a.op(0, 1, &[0x0f, 0x90 | cc::O], 0, Rm::R(A));
        self.a.store(4, FLAGS, A);
    }
    /// Before the host's flags are used for something else in a place that the block may be left at. Needs A.
    pub(super) fn give_up_status(&mut self) {
        self.save_status();
        self.status.in_host = false;
    }
    /// Makes sure that the host's flags are the guest's. Needs A.
    pub(super) fn need_status(&mut self) {
        if !self.status.in_host {
            self.restore_status();
            self.status.in_host = true;
        }
    }
    /// The saved flags to the host's. Needs A.
    pub(super) fn restore_status(&mut self) {
        self.a.load_zero(2, A, FLAGS);
        // 1 + 7Fh overflows, 0 + 7Fh does not.
        self.a.alu_imm(0, 1, Rm::R(A), 0x7f);
        self.a.byte(0x9e); // sahf
    }
    /// Makes sure that the host's CF is the guest's. Needs no register; the other flags are anything then.
    pub(super) fn need_carry(&mut self) {
        if !self.status.in_host {
            self.a.op(0, 4, &[0x0f, 0xba], 4, FLAGS);
            self.a.byte(8);
        }
    }
    /// Replaces the saved CF by the host's. Needs A; flags have to be saved.
    pub(super) fn save_carry(&mut self) {
        self.a.op(0, 1, &[0x0f, 0x90 | cc::B], 0, Rm::R(A));
        self.a.alu_imm(4, 1, LOW_FLAGS, 0xfe);
        self.a.alu_to(1, 1, LOW_FLAGS, A);
        self.status.only_saved();
    }
}

/// Whether the host's processor leaves flags that the manual calls undefined as the model has them, for the
/// instructions whose flags templates take as they come.
pub fn host_agrees() -> bool {
    const AF: u64 = 1 << 4;
    const STATUS: u64 = 0x8d5;
    let (mut logic, mut bit): (u64, u64);
    // SAFETY: it changes registers that are declared, and the stack below its own pointer.
    unsafe {
        std::arch::asm!(
            "mov {t}, 0x8d5", "push {t}", "popfq",
            "mov {t:e}, 0x5a", "and {t:e}, 0x3f", "pushfq", "pop {logic}",
            "mov {t}, 0x8d5", "push {t}", "popfq",
            "or {t:e}, 0x3f", "pushfq", "pop {u}", "or {logic}, {u}",
            "mov {t}, 0x8d5", "push {t}", "popfq",
            "xor {t:e}, 0x3f", "pushfq", "pop {u}", "or {logic}, {u}",
            "mov {t}, 0x8d5", "push {t}", "popfq",
            "test {t:e}, 0x3f", "pushfq", "pop {u}", "or {logic}, {u}",
            "mov {t}, 0x8d4", "push {t}", "popfq",
            "bt {t}, 2", "pushfq", "pop {bit}",
            "mov {t}, 0x8d4", "push {t}", "popfq",
            "bts {t}, 2", "pushfq", "pop {u}", "and {bit}, {u}",
            "mov {t}, 0x8d4", "push {t}", "popfq",
            "btr {t}, 2", "pushfq", "pop {u}", "and {bit}, {u}",
            "mov {t}, 0x8d4", "push {t}", "popfq",
            "btc {t}, 2", "pushfq", "pop {u}", "and {bit}, {u}",
            t = out(reg) _, u = out(reg) _, logic = out(reg) logic, bit = out(reg) bit,
        );
    }
    logic & AF == 0 && bit & STATUS == STATUS
}
