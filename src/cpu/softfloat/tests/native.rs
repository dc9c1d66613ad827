//! Runs single SSE instructions on the host under a given MXCSR, unmasked exceptions included.
//!
//! Unsafe: inline assembly, and a SIGFPE handler that notes MXCSR, masks everything and lets the instruction run again.
#![allow(unsafe_code)]

use std::arch::asm;
use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static TRAPPED: Cell<Option<u32>> = const { Cell::new(None) };
}

extern "C" fn note_and_mask(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid ucontext to an SA_SIGINFO handler, with the FPU state of the trapped thread.
    let state = unsafe { &mut *(*context.cast::<libc::ucontext_t>()).uc_mcontext.fpregs };
    TRAPPED.with(|trapped| trapped.set(Some(state.mxcsr)));
    state.mxcsr |= 0x1f80;
}

fn install_handler() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: an all-zero sigaction is a valid start; the handler touches only its context and a const thread-local.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note_and_mask as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGFPE, &action, std::ptr::null_mut())
        };
        assert_eq!(result, 0, "cannot install a SIGFPE handler");
    });
}

/// What the host made of an instruction: its result (none if it trapped) and MXCSR's flags.
pub struct Native {
    pub value: Option<u64>,
    pub flags: u16,
}

pub type Instruction = fn(u64, u64, &mut u32) -> u64;

pub fn run(instruction: Instruction, a: u64, b: u64, mxcsr: u32) -> Native {
    install_handler();
    TRAPPED.with(|trapped| trapped.set(None));
    let mut register = mxcsr;
    let value = instruction(a, b, &mut register);
    let trapped = TRAPPED.with(Cell::get);
    Native { value: trapped.is_none().then_some(value), flags: trapped.unwrap_or(register) as u16 & 0x3f }
}

/// A function that runs one instruction on xmm0 = a, xmm1 = b, rcx = b and returns what `$result` leaves in rax.
macro_rules! native {
    ($name:ident, $($line:literal),+) => {
        pub fn $name(a: u64, b: u64, mxcsr: &mut u32) -> u64 {
            let result: u64;
            let default: u32 = 0x1f80;
            // SAFETY: only the registers named change; MXCSR is back at its default afterwards.
            unsafe {
                asm!(
                    "movq xmm0, {a}",
                    "movq xmm1, rcx",
                    "ldmxcsr [{mxcsr}]",
                    $($line),+,
                    "stmxcsr [{mxcsr}]",
                    "ldmxcsr [{default}]",
                    a = in(reg) a,
                    in("rcx") b,
                    mxcsr = in(reg) mxcsr as *mut u32,
                    default = in(reg) &default,
                    out("rax") result,
                    out("xmm0") _,
                    out("xmm1") _,
                );
            }
            result
        }
    };
}

native!(addsd, "addsd xmm0, xmm1", "movq rax, xmm0");
native!(subsd, "subsd xmm0, xmm1", "movq rax, xmm0");
native!(mulsd, "mulsd xmm0, xmm1", "movq rax, xmm0");
native!(divsd, "divsd xmm0, xmm1", "movq rax, xmm0");
native!(minsd, "minsd xmm0, xmm1", "movq rax, xmm0");
native!(maxsd, "maxsd xmm0, xmm1", "movq rax, xmm0");
native!(sqrtsd, "sqrtsd xmm0, xmm0", "movq rax, xmm0");
native!(roundsd, "roundsd xmm0, xmm0, 4", "movq rax, xmm0");
native!(comisd, "comisd xmm0, xmm1", "pushfq", "pop rax");
native!(ucomisd, "ucomisd xmm0, xmm1", "pushfq", "pop rax");
native!(cvtsd2ss, "cvtsd2ss xmm0, xmm0", "movd eax, xmm0");
native!(cvtsi2sd32, "cvtsi2sd xmm0, ecx", "movq rax, xmm0");
native!(cvtsi2sd64, "cvtsi2sd xmm0, rcx", "movq rax, xmm0");
native!(cvtsd2si32, "cvtsd2si eax, xmm0");
native!(cvtsd2si64, "cvtsd2si rax, xmm0");
native!(cvttsd2si32, "cvttsd2si eax, xmm0");
native!(cvttsd2si64, "cvttsd2si rax, xmm0");

native!(addss, "addss xmm0, xmm1", "movd eax, xmm0");
native!(subss, "subss xmm0, xmm1", "movd eax, xmm0");
native!(mulss, "mulss xmm0, xmm1", "movd eax, xmm0");
native!(divss, "divss xmm0, xmm1", "movd eax, xmm0");
native!(minss, "minss xmm0, xmm1", "movd eax, xmm0");
native!(maxss, "maxss xmm0, xmm1", "movd eax, xmm0");
native!(sqrtss, "sqrtss xmm0, xmm0", "movd eax, xmm0");
native!(roundss, "roundss xmm0, xmm0, 4", "movd eax, xmm0");
native!(comiss, "comiss xmm0, xmm1", "pushfq", "pop rax");
native!(ucomiss, "ucomiss xmm0, xmm1", "pushfq", "pop rax");
native!(cvtss2sd, "cvtss2sd xmm0, xmm0", "movq rax, xmm0");
native!(cvtsi2ss32, "cvtsi2ss xmm0, ecx", "movd eax, xmm0");
native!(cvtsi2ss64, "cvtsi2ss xmm0, rcx", "movd eax, xmm0");
native!(cvtss2si32, "cvtss2si eax, xmm0");
native!(cvtss2si64, "cvtss2si rax, xmm0");
native!(cvttss2si32, "cvttss2si eax, xmm0");
native!(cvttss2si64, "cvttss2si rax, xmm0");
