//! Turns a signal that a case raised into a [`Fault`] and goes back to the host code.
//!
//! The handler runs on its own stack and leaves by a jump instead of a sigreturn: the signal mask is not touched
//! (SA_NODEFER), and the registers of the case have been copied to the frame.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::case::Fault;
use super::trampoline::{FRAME, reenact_native_abandon};

const SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];
const STACK_SIZE: usize = 64 * 1024;
const PAGE_FAULT: u8 = 14;

/// True while the host CPU may be in the code of a case.
static RUNNING: AtomicBool = AtomicBool::new(false);
static VECTOR: AtomicU64 = AtomicU64::new(0);
static ERROR: AtomicU64 = AtomicU64::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);

/// Registers of the context in the order of their hardware numbers.
const CONTEXT_ORDER: [libc::c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

extern "C" fn on_signal(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if !RUNNING.swap(false, Ordering::SeqCst) {
        // Not ours: a defect of the test itself. Let the default action report it when the instruction runs again.
        // SAFETY: restoring a default action has no preconditions.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // SAFETY: the kernel passes a valid ucontext with SA_SIGINFO, and fpregs points to the FXSAVE area inside it. FRAME
    // is only touched by the thread that runs the case, which is stopped here. Abandoning skips no destructors: the
    // frames below this one on the signal stack are the kernel's.
    unsafe {
        let context = &*(context as *const libc::ucontext_t);
        let registers = &context.uc_mcontext.gregs;
        let frame = &raw mut FRAME;
        for (number, &index) in CONTEXT_ORDER.iter().enumerate() {
            (*frame).gpr[number] = registers[index as usize] as u64;
        }
        (*frame).rip = registers[libc::REG_RIP as usize] as u64;
        (*frame).rflags = registers[libc::REG_EFL as usize] as u64;
        let fx = context.uc_mcontext.fpregs as *const [u8; 512];
        (*frame).fx.0 = fx.read();
        VECTOR.store(registers[libc::REG_TRAPNO as usize] as u64, Ordering::Relaxed);
        ERROR.store(registers[libc::REG_ERR as usize] as u64, Ordering::Relaxed);
        ADDRESS.store(registers[libc::REG_CR2 as usize] as u64, Ordering::Relaxed);
        reenact_native_abandon()
    }
}

/// Marks the stretch in which signals belong to the case.
pub fn set_running(running: bool) {
    RUNNING.store(running, Ordering::SeqCst);
}

/// The fault that the last signal reported.
pub fn last_fault() -> Fault {
    let vector = VECTOR.load(Ordering::Relaxed) as u8;
    let address = (vector == PAGE_FAULT).then(|| ADDRESS.load(Ordering::Relaxed));
    Fault { vector, error: ERROR.load(Ordering::Relaxed), address }
}

/// The handlers and the signal stack of this thread while an oracle lives; the former ones return on drop.
pub struct Handlers {
    old_actions: Vec<libc::sigaction>,
    old_stack: libc::stack_t,
    /// Keeps the signal stack alive.
    _stack: Box<[u8]>,
}

impl Handlers {
    /// Installs the handlers for the process and a signal stack for this thread.
    pub fn install() -> Self {
        let mut stack = vec![0u8; STACK_SIZE].into_boxed_slice();
        let new_stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_SIZE };
        // SAFETY: all-zero is a valid stack_t and sigaction; the new stack lives as long as `Handlers`, whose drop
        // takes it out of use; the handler has the SA_SIGINFO signature.
        unsafe {
            let mut old_stack: libc::stack_t = std::mem::zeroed();
            assert_eq!(libc::sigaltstack(&new_stack, &mut old_stack), 0, "sigaltstack failed");
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            let old_actions = SIGNALS
                .iter()
                .map(|&signal| {
                    let mut old: libc::sigaction = std::mem::zeroed();
                    assert_eq!(libc::sigaction(signal, &action, &mut old), 0, "sigaction failed");
                    old
                })
                .collect();
            Handlers { old_actions, old_stack, _stack: stack }
        }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        // SAFETY: these are the values that the system returned for the same calls.
        unsafe {
            for (&signal, old) in SIGNALS.iter().zip(&self.old_actions) {
                libc::sigaction(signal, old, std::ptr::null_mut());
            }
            libc::sigaltstack(&self.old_stack, std::ptr::null_mut());
        }
    }
}
