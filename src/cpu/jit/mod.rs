//! The same-ISA translator: hot decoded blocks of 64-bit mode as host code (x86-64 Linux hosts).
//!
//! It executes the blocks that `decode` made and counts them alike: a template does what the op's handler does, and what
//! has no template, or a template refuses (a TLB miss, an odd divisor), is done by the handler itself. Invariants:
//!
//! - Code of a block runs only at linear addresses that the run loop looked the block up for, and while the block lives:
//!   it is entered through the jump cache, whose keys say which mappings it is valid under, or by a direct link.
//! - Direct links stay inside one page of memory. While code of a page runs nothing can change what is mapped there, as
//!   such stores stand alone; and blocks of a page die together, so no link is ever left behind.
//! - While code runs, `Cpu::fetch_key` is NO_KEY and [`Live::key`] holds the key: handlers that are called cannot chain.
//!   If the mappings change in such a call, [`Live::key`] becomes NO_KEY and the block is left behind that instruction.
//! - Wherever code can be left, the guest's registers are as the interpreter would have them. Status flags are in
//!   [`Live::flags`] there, and `Cpu::flags` again outside.
//!
//! [`layout`] says where things are, [`thunks`] and [`calls`] make the ways in and out, [`compile`] puts a block
//! together, the other files are templates by family.

mod asm;
mod bits;
mod branch;
mod calls;
mod compile;
mod integer;
mod layout;
mod memory;
mod multiply;
mod operand;
mod shift;
mod status;
mod thunks;
mod vector;

use super::Cpu;
use super::block::{Block, BlockCache, Jump, Mode, NO_KEY};
use super::op::Op;
use super::phys::PAGE;
use memory::CodeMemory;
use thunks::Thunks;

/// Bytes of code memory. When it is full all code is dropped and made again as it is needed.
const CODE_BYTES: usize = 64 << 20;
/// More than any block's code takes.
const LONGEST: usize = 64 << 10;
/// Code does not run this near to the addresses that are not canonical, so that no relative branch needs a check.
const MARGIN: u64 = 1 << 32;

/// What generated code keeps in `Cpu` while it runs.
#[derive(Debug)]
#[repr(C)]
pub struct Live {
    /// What jump cache entries must carry: `Cpu::fetch_key` of the code that runs.
    pub key: u64,
    /// The linear address of the page that the running block starts in.
    pub code_page: u64,
    /// Status flags: OF in the low byte, in the next SF ZF AF PF CF as LAHF stores them. The rest is anything.
    pub flags: u32,
    /// The host's MXCSR is the guest's, which masks all exceptions.
    pub is_loaded: bool,
    /// The jump cache.
    pub jumps: *const Jump,
    /// The link that code was left through, counted from 1, or 0.
    pub link: u64,
    /// For templates that need a third register.
    pub spare: u64,
    /// [`Thunks::uncompiled`]
    pub uncompiled: usize,
    /// MXCSR as Rust code expects it.
    pub default_mxcsr: u32,
}

impl Default for Live {
    fn default() -> Live {
        let jumps = std::ptr::null();
        Live {
            key: NO_KEY,
            code_page: 0,
            flags: 0,
            is_loaded: false,
            jumps,
            link: 0,
            spare: 0,
            uncompiled: 0,
            default_mxcsr: 0x1f80,
        }
    }
}

/// What the translator knows of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native {
    /// Where its code is; only if `generation` is [`Jit::generation`].
    code: usize,
    generation: u32,
    heat: u32,
}

/// A jump out of a block's code that can lead to the code of another block of its page.
struct Link {
    /// The address of its displacement.
    site: usize,
    /// Guest-physical address and mode of the block that it goes to.
    to: (u64, Mode),
}

/// The translator of one CPU.
pub struct Jit {
    memory: CodeMemory,
    thunks: Thunks,
    /// Bytes of code memory that the thunks take.
    fixed: usize,
    links: Vec<Link>,
    /// The link that code was last left through, while nothing has run since.
    open: Option<usize>,
    generation: u32,
    /// A block is translated when it is entered this many times: what runs once or twice is better interpreted.
    hot: u32,
    /// Code was written since the last time that code was entered.
    is_changed: bool,
}

impl Jit {
    /// A translator, or what the host said against executable memory.
    pub fn new(hot: u32) -> std::io::Result<Jit> {
        let mut memory = CodeMemory::new(CODE_BYTES)?;
        let thunks = Thunks::new(&mut memory);
        let fixed = memory.used();
        Ok(Jit { memory, thunks, fixed, links: Vec::new(), open: None, generation: 1, hot, is_changed: true })
    }
    /// True on hosts that have the model's instructions, with flags as the templates take them to be.
    pub fn is_supported() -> bool {
        is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt") && status::host_agrees()
    }
    /// Forgets all code, and with it all links. Only while none runs.
    pub fn forget(&mut self) {
        self.memory.truncate(self.fixed);
        self.links.clear();
        self.open = None;
        self.generation += 1;
    }
}

impl Cpu {
    /// Forgets all generated code.
    pub(crate) fn forget_native(&mut self) {
        if let Some(jit) = &mut self.jit {
            jit.forget();
            self.blocks.code_dropped();
            self.update_mode();
        }
    }
    /// What the jump cache sends generated code to for a block: its code, or the way back to the run loop.
    pub(crate) fn jump_code(&self, header: *const Op, rip: u64) -> usize {
        let Some(jit) = &self.jit else { return 0 };
        // SAFETY: a header's `imm` is the address of its block, which lives.
        let native = unsafe { &*((*header).imm as *const Block) }.native.get();
        if native.generation == jit.generation && is_far_from_hole(rip) { native.code } else { jit.thunks.uncompiled }
    }
    /// The code of the block that is about to run, if it is hot; makes it if it just became so.
    pub(crate) fn native(&mut self, header: *const Op) -> Option<usize> {
        let jit = self.jit.as_mut()?;
        let open = jit.open.take();
        // SAFETY: as in `jump_code`.
        let block = unsafe { &*((*header).imm as *const Block) };
        if block.mode.0 & Mode::CODE != 2 || self.fetch_key == NO_KEY || !is_far_from_hole(self.rip) {
            return None;
        }
        let mut native = block.native.get();
        if native.generation != jit.generation {
            native.heat += 1;
            if native.heat < jit.hot {
                block.native.set(native);
                // Its handlers shall not go on to other blocks, which would not get warm then.
                self.fetch_key = NO_KEY;
                return None;
            }
            if jit.memory.left() < LONGEST {
                jit.forget();
                self.blocks.code_dropped();
                self.update_mode();
                return None;
            }
            native = Native { code: compile::block(self, header)?, generation: jit_generation(self), heat: 0 };
            block.native.set(native);
        }
        let jump = &mut self.blocks.jumps[BlockCache::jump_slot(self.rip)];
        if jump.header == header {
            jump.code = native.code;
        }
        if let Some(number) = open {
            self.close_link(number, block, native.code);
        }
        Some(native.code)
    }
    /// Leads a link to the code of `block`, if that is where it goes.
    fn close_link(&mut self, number: usize, block: &Block, code: usize) {
        let Some(jit) = &mut self.jit else { return };
        let link = &jit.links[number];
        if link.to == (block.gpa, block.mode) && block.pages.1.is_none() {
            jit.memory.patch(link.site, code.wrapping_sub(link.site + 4) as i32);
            jit.is_changed = true;
        }
    }
    /// Runs generated code until it leaves.
    pub(crate) fn run_native(&mut self, code: usize) {
        let Some(jit) = &mut self.jit else { return };
        let (enter, serialize) = (jit.thunks.enter, jit.thunks.serialize);
        let is_changed = std::mem::take(&mut jit.is_changed);
        self.live = Live {
            key: std::mem::replace(&mut self.fetch_key, NO_KEY),
            code_page: self.rip & !(PAGE - 1),
            flags: calls::pack(self.flags),
            jumps: self.blocks.jumps.as_ptr(),
            uncompiled: jit.thunks.uncompiled,
            ..Live::default()
        };
        // SAFETY: the thunks are code for these signatures. `code` is that of a live block, made for this CPU, and the
        // run loop has just looked it up.
        unsafe {
            if is_changed {
                std::mem::transmute::<usize, unsafe extern "sysv64" fn()>(serialize)();
            }
            std::mem::transmute::<usize, unsafe extern "sysv64" fn(&mut Cpu, usize)>(enter)(self, code);
        }
        self.flags = calls::unpack(self.live.flags);
        if self.live.link != 0 {
            let number = self.live.link as usize - 1;
            if let Some(jit) = &mut self.jit {
                jit.open = Some(number);
                self.rip = self.live.code_page | (jit.links[number].to.0 % PAGE);
            }
        }
    }
}

fn jit_generation(cpu: &Cpu) -> u32 {
    cpu.jit.as_ref().map_or(0, |jit| jit.generation)
}

/// Code at this address, and all that it can branch to by a 32-bit distance, is canonical.
fn is_far_from_hole(rip: u64) -> bool {
    let edge = 1 << 47;
    rip < edge - MARGIN || rip >= edge.wrapping_neg() + MARGIN
}

#[cfg(test)]
mod tests {
    use super::Jit;

    #[test]
    fn this_host_is_supported() {
        assert!(Jit::is_supported());
        Jit::new(1).unwrap();
    }
}
