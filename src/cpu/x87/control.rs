//! Control instructions: they leave FIP, FDP and FOP alone, and those spelled FN... do not wait for pending exceptions.

use iced_x86::{Code, Instruction, Mnemonic, OpKind};

use super::image::{EnvironmentForm, MAX_SAVE};
use super::{X87, X87Context};

/// True of instructions that execute in spite of a pending exception.
pub(super) const fn is_no_wait(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Fninit | Fnclex | Fnstcw | Fnstsw | Fnstenv | Fnsave | Fneni | Fndisi | Fnsetpm | Frstpm)
}

fn form<C: X87Context>(insn: &Instruction, cx: &C) -> EnvironmentForm {
    let is_16_bit = matches!(
        insn.code(),
        Code::Fldenv_m14byte
            | Code::Fnstenv_m14byte
            | Code::Fstenv_m14byte
            | Code::Frstor_m94byte
            | Code::Fnsave_m94byte
            | Code::Fsave_m94byte
    );
    EnvironmentForm { is_32_bit: !is_16_bit, is_protected: cx.is_protected() }
}

/// Returns whether the instruction was a control instruction.
pub(super) fn execute<C: X87Context>(x87: &mut X87, insn: &Instruction, cx: &mut C) -> Result<bool, C::Stop> {
    match insn.mnemonic() {
        Mnemonic::Wait => {}
        Mnemonic::Fninit | Mnemonic::Finit => x87.initialise(),
        Mnemonic::Fnclex | Mnemonic::Fclex => x87.fsw &= 0x7f00,
        Mnemonic::Fldcw => {
            let mut bytes = [0; 2];
            cx.read(&mut bytes)?;
            x87.set_fcw(u16::from_le_bytes(bytes));
        }
        Mnemonic::Fnstcw | Mnemonic::Fstcw => cx.write(&x87.fcw.to_le_bytes())?,
        Mnemonic::Fnstsw | Mnemonic::Fstsw if insn.op0_kind() == OpKind::Memory => {
            cx.write(&x87.fsw.to_le_bytes())?;
        }
        Mnemonic::Fnstsw | Mnemonic::Fstsw => cx.set_ax(x87.fsw),
        Mnemonic::Fnstenv | Mnemonic::Fstenv => {
            let form = form(insn, cx);
            let mut image = [0; 28];
            x87.store_environment(form, &mut image);
            cx.write(&image[..form.size()])?;
            x87.set_fcw(x87.fcw | 0x3f);
        }
        Mnemonic::Fldenv => {
            let form = form(insn, cx);
            let mut image = [0; 28];
            cx.read(&mut image[..form.size()])?;
            x87.load_environment(form, &image);
        }
        Mnemonic::Fnsave | Mnemonic::Fsave => {
            let mut image = [0; MAX_SAVE];
            let size = x87.store_all(form(insn, cx), &mut image);
            cx.write(&image[..size])?;
            x87.initialise();
        }
        Mnemonic::Frstor => {
            let form = form(insn, cx);
            let mut image = [0; MAX_SAVE];
            cx.read(&mut image[..form.size() + 80])?;
            x87.load_all(form, &image);
        }
        _ => return Ok(false),
    }
    Ok(true)
}
