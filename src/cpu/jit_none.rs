//! The translator's place on hosts that it is not for: there is none, and blocks are interpreted.

use super::Cpu;
use super::op::Op;

/// Nothing is kept.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Live {
    pub key: u64,
}
/// Nothing is known of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;
/// There is none.
pub struct Jit;

impl Jit {
    pub fn new(_: u32) -> std::io::Result<Jit> {
        Ok(Jit)
    }
    pub fn is_supported() -> bool {
        false
    }
}

impl Cpu {
    pub(crate) fn forget_native(&mut self) {}
    pub(crate) fn jump_code(&self, _: *const Op, _: u64) -> usize {
        0
    }
    pub(crate) fn native(&mut self, _: *const Op) -> Option<usize> {
        None
    }
    pub(crate) fn run_native(&mut self, _: usize) {}
}
