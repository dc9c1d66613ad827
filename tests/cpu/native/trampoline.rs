//! The assembly that enters and leaves a case, and the frame through which registers pass.
//!
//! Entry is by IRETQ: it loads RIP, RFLAGS and RSP at once and is serialising, which new code bytes require. Exit is the
//! jump behind the code, through a slot that holds `reenact_native_exit`. The guest's RSP is never used by the host.

use std::arch::global_asm;

use super::case::FxImage;

/// Register values on the way in and out. Only one case runs at a time (the oracle holds a lock).
#[repr(C, align(64))]
pub struct Frame {
    /// FXSAVE64 image to load, then the one that was stored.
    pub fx: FxImage,
    pub gpr: [u64; 16],
    pub rip: u64,
    pub rflags: u64,
    host_rsp: u64,
    host_mxcsr: u32,
}

/// The frame of the running case.
pub static mut FRAME: Frame =
    Frame { fx: FxImage([0; 512]), gpr: [0; 16], rip: 0, rflags: 0, host_rsp: 0, host_mxcsr: 0x1F80 };

global_asm!(
    ".globl reenact_native_enter",
    "reenact_native_enter:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "lea rdi, [rip + {frame}]",
    "mov [rdi + {host_rsp}], rsp",
    "fxrstor64 [rdi]",
    // The frame of IRETQ: RIP, CS, RFLAGS, RSP, SS from low to high.
    "mov eax, ss",
    "push rax",
    "push [rdi + {gpr} + 4*8]",
    "push [rdi + {rflags}]",
    "mov eax, cs",
    "push rax",
    "push [rdi + {rip_}]",
    "mov rax, [rdi + {gpr} + 0*8]",
    "mov rcx, [rdi + {gpr} + 1*8]",
    "mov rdx, [rdi + {gpr} + 2*8]",
    "mov rbx, [rdi + {gpr} + 3*8]",
    "mov rbp, [rdi + {gpr} + 5*8]",
    "mov rsi, [rdi + {gpr} + 6*8]",
    "mov r8,  [rdi + {gpr} + 8*8]",
    "mov r9,  [rdi + {gpr} + 9*8]",
    "mov r10, [rdi + {gpr} + 10*8]",
    "mov r11, [rdi + {gpr} + 11*8]",
    "mov r12, [rdi + {gpr} + 12*8]",
    "mov r13, [rdi + {gpr} + 13*8]",
    "mov r14, [rdi + {gpr} + 14*8]",
    "mov r15, [rdi + {gpr} + 15*8]",
    "mov rdi, [rdi + {gpr} + 7*8]",
    "iretq",
    // Moves leave the flags alone, so they are still the guest's when PUSHFQ reads them on the host's stack.
    ".globl reenact_native_exit",
    "reenact_native_exit:",
    "mov [rip + {frame} + {gpr} + 7*8], rdi",
    "lea rdi, [rip + {frame}]",
    "mov [rdi + {gpr} + 0*8], rax",
    "mov [rdi + {gpr} + 1*8], rcx",
    "mov [rdi + {gpr} + 2*8], rdx",
    "mov [rdi + {gpr} + 3*8], rbx",
    "mov [rdi + {gpr} + 4*8], rsp",
    "mov [rdi + {gpr} + 5*8], rbp",
    "mov [rdi + {gpr} + 6*8], rsi",
    "mov [rdi + {gpr} + 8*8], r8",
    "mov [rdi + {gpr} + 9*8], r9",
    "mov [rdi + {gpr} + 10*8], r10",
    "mov [rdi + {gpr} + 11*8], r11",
    "mov [rdi + {gpr} + 12*8], r12",
    "mov [rdi + {gpr} + 13*8], r13",
    "mov [rdi + {gpr} + 14*8], r14",
    "mov [rdi + {gpr} + 15*8], r15",
    "mov rsp, [rdi + {host_rsp}]",
    "pushfq",
    "pop [rdi + {rflags}]",
    "fxsave64 [rdi]",
    "fninit",
    "ldmxcsr [rdi + {host_mxcsr}]",
    "xor eax, eax",
    "jmp 2f",
    // The signal handler comes here on its own stack, after it has filled the frame. The kernel gave it a clean FPU.
    ".globl reenact_native_abandon",
    "reenact_native_abandon:",
    "mov rsp, [rip + {frame} + {host_rsp}]",
    "mov eax, 1",
    "2:",
    // POPF in a case may have set flags that the host must not keep: DF, and NT, which makes IRETQ fault.
    "push 0x202",
    "popfq",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    frame = sym FRAME,
    gpr = const std::mem::offset_of!(Frame, gpr),
    rip_ = const std::mem::offset_of!(Frame, rip),
    rflags = const std::mem::offset_of!(Frame, rflags),
    host_rsp = const std::mem::offset_of!(Frame, host_rsp),
    host_mxcsr = const std::mem::offset_of!(Frame, host_mxcsr),
);

unsafe extern "C" {
    /// Runs the case in [`FRAME`]; 0 when it left by the exit jump, 1 when a signal ended it.
    pub fn reenact_native_enter() -> u32;
    /// Where the exit jump leads. Not to be called.
    pub fn reenact_native_exit();
    /// Leaves a signal handler and returns 1 from `reenact_native_enter`.
    pub fn reenact_native_abandon() -> !;
}
