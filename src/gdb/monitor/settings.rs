//! What is set for the debugging that follows: the meaning of a step, the address space of stops, the width of code.

use super::{Context, Error, parse, usage};
use crate::session::{Space, Steps};

pub fn mode(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    match words {
        [] => {}
        ["auto"] => context.settings.code_bits = None,
        ["16"] => context.settings.code_bits = Some(16),
        ["32"] => context.settings.code_bits = Some(32),
        ["64"] => context.settings.code_bits = Some(64),
        _ => return Err(usage("mode")),
    }
    match context.settings.code_bits {
        Some(bits) => context.line(format!("dis reads code as {bits}-bit")),
        None => context.line("dis reads code as the processor does"),
    }
    Ok(())
}

pub fn step(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    match words {
        [] => {}
        ["thread"] => context.settings.steps = Steps::Thread,
        ["cpu"] => context.settings.steps = Steps::Cpu,
        _ => return Err(usage("step")),
    }
    match context.settings.steps {
        Steps::Thread => context.line("a step stays in its context: what interrupts it is passed over"),
        Steps::Cpu => context.line("a step is the processor's: it enters every interrupt and exception"),
    }
    Ok(())
}

pub fn space(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    match words {
        [] => {}
        ["any"] => context.settings.space = Space::Any,
        ["here"] => context.settings.space = Space::Root(context.session.ask(|seat| Ok(seat.root()))?),
        [root] => context.settings.space = Space::Root(parse::address(context, root)? & !0xfff),
        _ => return Err(usage("space")),
    }
    match context.settings.space {
        Space::Any => context.line("breakpoints and watchpoints stop in every address space"),
        Space::Root(root) => {
            context.line(format!("breakpoints and watchpoints stop in the address space {root:#x} only"));
        }
    }
    Ok(())
}
