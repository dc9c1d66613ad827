//! The unit's images in memory.
//!
//! ```text
//! FNSTENV, 28 bytes, protected mode          real mode (FIP, FDP are linear)    14-byte forms: the same
//!  0 FCW  4 FSW  8 FTW (upper halves FFFF)    0 FCW  4 FSW  8 FTW                fields in 16 bits each
//! 12 FIP 31-0                                12 FIP 15-0
//! 16 FCS, FOP in bits 26-16                  16 FIP 31-16 in bits 27-12, FOP in bits 10-0
//! 20 FDP 31-0                                20 FDP 15-0
//! 24 FDS                                     24 FDP 31-16 in bits 27-12
//! FNSAVE: the same followed by ST(0) to ST(7), ten bytes each
//!
//! FXSAVE: 0 FCW  2 FSW  4 abridged FTW  6 FOP  8 FIP  16 FDP  24 MXCSR (not ours)  32 ST(0) to ST(7), 16 bytes each
//! ```
//! FCS and FDS are saved as 0 and ignored when loaded. Source: SDM Vol. 1, 8.1.10 and 10.5.1.

use super::X87;
use crate::cpu::softfloat::{F80, F80Class};

/// Which of the four FNSTENV layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnvironmentForm {
    /// Operand size 32: 28 bytes, else 14.
    pub is_32_bit: bool,
    /// Protected-mode layout, else real-mode and virtual-8086.
    pub is_protected: bool,
}

impl EnvironmentForm {
    /// Bytes of the environment.
    pub const fn size(self) -> usize {
        if self.is_32_bit { 28 } else { 14 }
    }
}

/// Which FXSAVE form: it tells the width of FIP and FDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FxForm {
    /// FXSAVE: 32-bit offsets and (here zero) selectors.
    Narrow,
    /// FXSAVE64 (REX.W): 64-bit offsets.
    Wide,
}

/// Size of the largest FNSAVE image.
pub(super) const MAX_SAVE: usize = 28 + 80;

fn take<const N: usize>(image: &[u8], at: usize) -> [u8; N] {
    image.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).expect("an image has its form's full size")
}

fn word(image: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(image, at))
}

fn dword(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(image, at))
}

impl X87 {
    /// The full tag word: 0 valid, 1 zero, 2 special, 3 empty, two bits per physical register.
    pub fn full_tags(&self) -> u16 {
        (0..8).fold(0, |word, r| {
            let tag = match self.regs[r].classify() {
                _ if self.tags & 1 << r == 0 => 3,
                F80Class::Zero => 1,
                F80Class::Normal => 0,
                _ => 2,
            };
            word | tag << (2 * r)
        })
    }

    fn set_full_tags(&mut self, word: u16) {
        self.tags = (0..8).fold(0, |tags, r| tags | u8::from(word >> (2 * r) & 3 != 3) << r);
    }

    /// FNSTENV: fills the first [`EnvironmentForm::size`] bytes of `image`, which must have them.
    pub fn store_environment(&self, form: EnvironmentForm, image: &mut [u8]) {
        let words = [self.fcw, self.fsw, self.full_tags()];
        let (fip, fdp) = (self.fip as u32, self.fdp as u32);
        let fop = u32::from(self.fop);
        let pointers = match (form.is_protected, form.is_32_bit) {
            (true, true) => [fip, fop << 16, fdp, 0xffff_0000],
            (true, false) => [fip, 0, fdp, 0],
            (false, true) => {
                let high = |offset: u32| offset >> 16 << 12;
                [0xffff_0000 | fip & 0xffff, high(fip) | fop, 0xffff_0000 | fdp & 0xffff, high(fdp)]
            }
            (false, false) => [fip, fip >> 16 << 12 | fop, fdp, fdp >> 16 << 12],
        };
        let fields = words.map(|word| 0xffff_0000 | u32::from(word)).into_iter().chain(pointers);
        let width = if form.is_32_bit { 4 } else { 2 };
        for (bytes, field) in image[..form.size()].chunks_exact_mut(width).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes()[..width]);
        }
    }

    /// FLDENV: the inverse of [`X87::store_environment`]; ES and B are made anew.
    pub fn load_environment(&mut self, form: EnvironmentForm, image: &[u8]) {
        let width = if form.is_32_bit { 4 } else { 2 };
        let field = |n: usize| match form.is_32_bit {
            true => dword(image, n * width),
            false => u32::from(word(image, n * width)),
        };
        let (fip, fop, fdp) = match (form.is_protected, form.is_32_bit) {
            (true, true) => (field(3), field(4) >> 16, field(5)),
            (true, false) => (field(3), u32::from(self.fop), field(5)),
            (false, _) => {
                let linear = |n: usize| field(n) & 0xffff | field(n + 1) >> 12 << 16;
                (linear(3), field(4), linear(5))
            }
        };
        self.fsw = field(1) as u16;
        self.set_full_tags(field(2) as u16);
        self.fip = u64::from(fip);
        self.fop = fop as u16 & 0x7ff;
        self.fdp = u64::from(fdp);
        self.set_fcw(field(0) as u16);
    }

    /// FNSAVE's image, without the initialisation that follows it; returns its size.
    pub(super) fn store_all(&self, form: EnvironmentForm, image: &mut [u8; MAX_SAVE]) -> usize {
        self.store_environment(form, image);
        for (i, bytes) in (0..8).zip(image[form.size()..].chunks_exact_mut(10)) {
            bytes.copy_from_slice(&self.st(i).to_bytes());
        }
        form.size() + 80
    }

    /// FRSTOR.
    pub(super) fn load_all(&mut self, form: EnvironmentForm, image: &[u8; MAX_SAVE]) {
        self.load_environment(form, image);
        let top = usize::from(self.top());
        for i in 0..8 {
            self.regs[(top + i) & 7] = F80::from_bytes(take(image, form.size() + 10 * i));
        }
    }

    /// The x87 part of FXSAVE and of the legacy region of XSAVE: bytes 0 to 23 and 32 to 159. The rest stays.
    pub fn store_fxsave(&self, form: FxForm, image: &mut [u8; 512]) {
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.fcw.to_le_bytes());
        put(2, &self.fsw.to_le_bytes());
        put(4, &[self.tags, 0]);
        put(6, &self.fop.to_le_bytes());
        let mask = if form == FxForm::Wide { u64::MAX } else { 0xffff_ffff };
        put(8, &(self.fip & mask).to_le_bytes());
        put(16, &(self.fdp & mask).to_le_bytes());
        for i in 0..8 {
            let at = 32 + 16 * usize::from(i);
            put(at, &self.st(i).to_bytes());
            put(at + 10, &[0; 6]);
        }
    }

    /// The x87 part of FXRSTOR and of the legacy region of XRSTOR; ES and B are made anew.
    pub fn load_fxsave(&mut self, form: FxForm, image: &[u8; 512]) {
        self.fsw = word(image, 2);
        self.tags = image[4];
        self.fop = word(image, 6) & 0x7ff;
        let mask = if form == FxForm::Wide { u64::MAX } else { 0xffff_ffff };
        self.fip = u64::from_le_bytes(take(image, 8)) & mask;
        self.fdp = u64::from_le_bytes(take(image, 16)) & mask;
        let top = usize::from(self.top());
        for i in 0..8 {
            self.regs[(top + i) & 7] = F80::from_bytes(take(image, 32 + 16 * i));
        }
        self.set_fcw(word(image, 0));
    }
}
