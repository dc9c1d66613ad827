//! Runs one instruction on the host's x87 between an FXRSTOR and an FXSAVE.
//!
//! Unsafe: it maps an executable page and calls the code that it writes there.
#![allow(unsafe_code)]

use crate::cpu::x87::{FxForm, X87};

#[repr(C, align(16))]
struct Image([u8; 512]);

/// What an instruction sees and leaves besides the x87 state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Surroundings {
    pub memory: [u8; 128],
    pub flags: u64,
    pub ax: u16,
}

/// A page of code: FXRSTOR [rdi]; POPF; instruction on [rsi]; PUSHF; FXSAVE [rdi]; FNINIT; RET.
pub struct Native {
    page: *mut u8,
}

const PAGE: usize = 4096;

impl Native {
    pub fn new() -> Self {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing that exists.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED, "cannot map a page for native code");
        Self { page: page.cast() }
    }

    /// Sets the instruction under test; its memory operand, if any, must be [rsi].
    pub fn set_instruction(&mut self, bytes: &[u8]) {
        let before = [0x48, 0x0f, 0xae, 0x0f, 0x52, 0x9d];
        let after = [0x9c, 0x8f, 0x01, 0x48, 0x89, 0x41, 0x08, 0x48, 0x0f, 0xae, 0x07, 0xdb, 0xe3, 0xc3];
        let code: Vec<u8> = before.into_iter().chain(bytes.iter().copied()).chain(after).collect();
        // SAFETY: the page is ours, writable and longer than the code, and no other thread runs it.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.page, code.len()) };
    }

    pub fn run(&self, x87: &mut X87, around: &mut Surroundings) {
        let mut image = Image([0; 512]);
        x87.store_fxsave(FxForm::Wide, &mut image.0);
        image.0[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        let mut out = [0u64; 2];
        // SAFETY: the page holds a function of this signature, see `set_instruction`; it writes only the image, the
        // operand buffer (long enough for every x87 operand) and `out`, and leaves the x87 initialised as the ABI wants.
        unsafe {
            let function: extern "sysv64" fn(*mut u8, *mut u8, u64, *mut u64) = std::mem::transmute(self.page);
            function(image.0.as_mut_ptr(), around.memory.as_mut_ptr(), around.flags | 0x202, out.as_mut_ptr());
        }
        around.flags = out[0] & 0x8d5;
        around.ax = out[1] as u16;
        x87.load_fxsave(FxForm::Wide, &image.0);
        x87.fsw = u16::from_le_bytes([image.0[2], image.0[3]]);
        x87.fcw = u16::from_le_bytes([image.0[0], image.0[1]]);
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: the page was mapped by `new` with this size and nothing refers to it any more.
        unsafe { libc::munmap(self.page.cast(), PAGE) };
    }
}
