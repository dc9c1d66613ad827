//! Puts the code of a block together: templates where there are some, calls of handlers elsewhere, and out of line what
//! is rarely run.

use super::asm::{Asm, Fixup, Rm, cc};
use super::layout::{A, B, BUDGET, CODE_PAGE};
use super::status::Status;
use super::thunks::Thunks;
use super::{Jit, Link};
use crate::cpu::Cpu;
use crate::cpu::block::{Block, Mode};
use crate::cpu::decode;
use crate::cpu::op::Op;
use crate::cpu::phys::PAGE;
use iced_x86::{Decoder, Instruction, Mnemonic, RflagsBits};

/// Makes the code of a block; where it is, or `None` if the block's bytes cannot be had.
pub fn block(cpu: &mut Cpu, header: *const Op) -> Option<usize> {
    // SAFETY: a header's `imm` is the address of its block, which lives; its ops are behind it.
    let (block, ops) = unsafe {
        let count = usize::from((*header).rest);
        (&*((*header).imm as *const Block), std::slice::from_raw_parts(header, count + 1))
    };
    let offset = block.gpa % PAGE;
    let bytes = bytes_of(cpu, block, offset as usize);
    // Counted from the start of the page, so that addresses relative to RIP come out relative to that.
    let mut decoder = Decoder::with_ip(64, &bytes, offset, decode::OPTIONS);
    let instructions: Vec<Instruction> = ops[1..].iter().map(|_| decoder.decode()).collect();
    if instructions.iter().zip(&ops[1..]).any(|(insn, op)| insn.len() != usize::from(op.len)) {
        return None;
    }
    let tlb_mask = cpu.tlb.mask();
    let probed = |at: u64| cpu.probes.offsets().has(at);
    let find = |gpa: u64| {
        let target = cpu.blocks.find(gpa, block.mode)?;
        let native = target.native.get();
        let is_made = cpu.jit.as_ref().is_some_and(|jit| jit.generation == native.generation);
        (is_made && target.pages.1.is_none()).then_some(native.code)
    };
    let jit = cpu.jit.as_ref()?;
    let made = Compiler {
        a: Asm::new(jit.memory.next()),
        thunks: jit.thunks,
        header,
        number: 0,
        instructions: &instructions,
        page: block.gpa - offset,
        offset,
        mode: block.mode,
        ends_open: is_open(header, ops.len()),
        tlb_mask,
        status: Status::default(),
        has_mxcsr: false,
        refusals: Vec::new(),
        stubs: Vec::new(),
        links: Vec::new(),
        first_link: jit.links.len(),
        probed: &probed,
        find: &find,
    }
    .make();
    let jit = cpu.jit.as_mut()?;
    Some(jit.keep(made))
}

impl Jit {
    fn keep(&mut self, made: (Vec<u8>, Vec<Link>)) -> usize {
        let at = self.memory.next();
        self.memory.append(&made.0);
        self.links.extend(made.1);
        self.is_changed = true;
        at
    }
}

/// The bytes from the block's start, those of a straddling instruction among them.
fn bytes_of(cpu: &Cpu, block: &Block, offset: usize) -> Vec<u8> {
    let mut bytes = cpu.phys.page_bytes(block.pages.0 as usize)[offset..].to_vec();
    if let Some(second) = block.pages.1 {
        bytes.extend_from_slice(&cpu.phys.page_bytes(second as usize)[..16]);
    }
    bytes
}

/// True if the block goes on behind its last instruction, which is then no branch.
fn is_open(header: *const Op, len: usize) -> bool {
    // SAFETY: behind the instructions of a block is its last op or the slot for links, read as plain bytes.
    let handler = unsafe { header.add(len).cast::<usize>().read() };
    handler == crate::cpu::exec::fall_through as *const () as usize
}

/// What is put behind the block's code.
enum Stub {
    /// Has the handler of an op do what a template refused, and goes back.
    Op { from: Vec<Fixup>, number: usize, back: usize, wants_status: bool, wants_mxcsr: bool },
    /// The same for the last op, which does not come back.
    Last { from: Vec<Fixup>, number: usize },
    /// Goes to a guest address in another page, given from the start of this one.
    Far { from: Fixup, to: i64 },
    /// Leaves through a link that leads nowhere yet.
    Unlinked { from: Fixup, number: usize },
}

/// A block being compiled.
pub struct Compiler<'a> {
    pub(super) a: Asm,
    pub(super) thunks: Thunks,
    pub(super) header: *const Op,
    /// The number of the instruction at hand.
    pub(super) number: usize,
    pub(super) instructions: &'a [Instruction],
    /// Guest-physical address of the page that the block starts in, and where in it.
    page: u64,
    pub(super) offset: u64,
    mode: Mode,
    ends_open: bool,
    pub(super) tlb_mask: u64,
    pub(super) status: Status,
    /// The guest's MXCSR is loaded here.
    pub(super) has_mxcsr: bool,
    /// Jumps of the template at hand to where its handler is called instead.
    pub(super) refusals: Vec<Fixup>,
    stubs: Vec<Stub>,
    links: Vec<Link>,
    first_link: usize,
    probed: &'a dyn Fn(u64) -> bool,
    find: &'a dyn Fn(u64) -> Option<usize>,
}

impl Compiler<'_> {
    fn make(mut self) -> (Vec<u8>, Vec<Link>) {
        let count = self.instructions.len();
        // The block pays for all its instructions first.
        self.a.alu_imm(5, 8, Rm::R(BUDGET), count as i64);
        let unpaid = self.a.jcc_ahead(cc::S);
        for number in 1..=count {
            let is_last = number == count && !self.ends_open;
            let insn = self.instructions[number - 1];
            self.number = number;
            if is_last {
                self.last(number, &insn);
            } else if !self.middle(number, &insn) {
                break;
            }
        }
        if self.ends_open {
            let end = self.end();
            self.save_status();
            self.go_to(end);
        }
        self.a.place(unpaid);
        self.a.constant(A, (count as u64) << 16 | self.offset);
        self.a.jmp(self.thunks.unpaid);
        self.finish_stubs();
        (self.a.bytes, self.links)
    }

    /// Where the block's last instruction ends, from the start of its page.
    pub(super) fn end(&self) -> i64 {
        self.instructions.last().map_or(0, |i| i.next_ip() as i64)
    }

    /// True for a comparison before the branch that ends the block: its handler may be one for both.
    fn is_joined(&self, number: usize) -> bool {
        let is_branch = |i: &Instruction| i.is_jcc_short_or_near();
        number + 1 == self.instructions.len() && !self.ends_open && self.instructions.last().is_some_and(is_branch)
    }
    /// One instruction that is not the last; false if it does the last one's work too.
    fn middle(&mut self, number: usize, insn: &Instruction) -> bool {
        let before = self.a.bytes.len();
        if !self.template(insn) {
            debug_assert!(before == self.a.bytes.len() && self.refusals.is_empty(), "half a template for {insn:?}");
            self.save_status();
            if self.is_joined(number) {
                self.call_last(number);
                return false;
            }
            self.call_handler(number, insn);
            self.status.only_saved();
            self.has_mxcsr = false;
            return true;
        }
        if !self.refusals.is_empty() {
            let from = std::mem::take(&mut self.refusals);
            if self.is_joined(number) {
                self.stubs.push(Stub::Last { from, number });
                return true;
            }
            let (back, wants_status) = (self.a.here(), self.status.in_host);
            let wants_mxcsr = self.has_mxcsr;
            self.stubs.push(Stub::Op { from, number, back, wants_status, wants_mxcsr });
        }
        true
    }
    fn last(&mut self, number: usize, insn: &Instruction) {
        let before = self.a.bytes.len();
        if !self.branch(insn) {
            debug_assert!(before == self.a.bytes.len() && self.refusals.is_empty(), "half a template for {insn:?}");
            self.save_status();
            self.call_last(number);
        }
        if !self.refusals.is_empty() {
            let from = std::mem::take(&mut self.refusals);
            self.stubs.push(Stub::Last { from, number });
        }
    }
    fn call_handler(&mut self, number: usize, insn: &Instruction) {
        const STATUS: u32 =
            RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::CF | RflagsBits::PF;
        // By counts that come to nothing, shifts change no flags in the manual, but some do in the model.
        use Mnemonic as M;
        let is_shift = matches!(
            insn.mnemonic(),
            M::Rcl | M::Rcr | M::Rol | M::Ror | M::Shl | M::Sal | M::Shr | M::Sar | M::Shld | M::Shrd
        );
        let touches = is_shift || (insn.rflags_read() | insn.rflags_modified()) & STATUS != 0;
        self.arguments(number);
        self.a.call(if touches { self.thunks.call_flags } else { self.thunks.call });
    }
    fn call_last(&mut self, number: usize) {
        self.arguments(number);
        self.a.jmp(self.thunks.call_last);
    }
    fn arguments(&mut self, number: usize) {
        self.a.constant(A, self.header as u64);
        self.a.constant(B, number as u64);
    }

    /// Goes to a guest address, given from the start of the block's page, at the end of the block.
    pub(super) fn go_to(&mut self, to: i64) {
        let jump = self.a.jmp_ahead();
        self.lead(jump, to);
    }
    /// Leads a jump at the end of the block to a guest address, given from the start of the block's page.
    pub(super) fn lead(&mut self, jump: Fixup, to: i64) {
        let is_near = (0..PAGE as i64).contains(&to);
        if !is_near || (self.probed)(to as u64) {
            self.stubs.push(Stub::Far { from: jump, to });
            return;
        }
        let gpa = self.page + to as u64;
        if to as u64 == self.offset {
            // A loop to its own start.
            let at = self.a.here() - self.a.bytes.len();
            return self.a.send(jump, at);
        }
        if let Some(code) = (self.find)(gpa) {
            return self.a.send(jump, code);
        }
        let number = self.first_link + self.links.len();
        self.links.push(Link { site: self.a.address_of(jump), to: (gpa, self.mode) });
        self.stubs.push(Stub::Unlinked { from: jump, number });
    }

    /// Loads the guest's MXCSR after a handler ran; if it masks not all exceptions, leaves behind the instruction.
    fn reload_mxcsr(&mut self, number: usize, insn: &Instruction) {
        self.a.call(self.thunks.load_mxcsr);
        let is_loaded = self.a.jcc_ahead(cc::E);
        self.a.alu_imm(0, 8, Rm::R(BUDGET), (self.instructions.len() - number) as i64);
        self.a.load(8, A, CODE_PAGE);
        self.a.alu_imm(0, 8, Rm::R(A), insn.next_ip() as i64);
        self.a.jmp(self.thunks.miss);
        self.a.place(is_loaded);
    }

    fn finish_stubs(&mut self) {
        for stub in std::mem::take(&mut self.stubs) {
            match stub {
                Stub::Op { from, number, back, wants_status, wants_mxcsr } => {
                    from.into_iter().for_each(|f| self.a.place(f));
                    let insn = self.instructions[number - 1];
                    self.call_handler(number, &insn);
                    if wants_mxcsr {
                        self.reload_mxcsr(number, &insn);
                    }
                    if wants_status {
                        self.restore_status();
                    }
                    self.a.jmp(back);
                }
                Stub::Last { from, number } => {
                    from.into_iter().for_each(|f| self.a.place(f));
                    self.call_last(number);
                }
                Stub::Far { from, to } => {
                    self.a.place(from);
                    self.far(to);
                }
                Stub::Unlinked { from, number } => {
                    self.a.place(from);
                    self.a.constant(A, number as u64 + 1);
                    self.a.jmp(self.thunks.unlinked);
                }
            }
        }
    }
}
