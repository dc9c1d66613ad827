//! The run loop: finds or decodes the next block, lets it run, and delivers what interrupted it.

use super::Cpu;
use super::block::{Block, BlockCache, Engine, Geometry, Half, JUMPS, Mode, NO_KEY};
use super::bus::Bus;
use super::decode;
use super::fault::{Fault, Pending, Stop};
use super::flags::{Flags, bit};
use super::jit::{Jit, Live};
use super::op::{JOINED, Op};
use super::paging::Tables;
use super::phys::{PAGE, PhysMemory, page};
use super::probe::{Probes, What};
use super::state::{RFLAGS_RESET, State, cr, gpr, seg};
use super::system::Shutdown;
use super::tap::Taps;
use super::tlb::{Class, Tlb};
use super::x87::X87;

/// Why [`Cpu::run`] returned. In each case the CPU stands between two instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The Moment asked for is reached.
    Limit,
    /// HLT, and no interrupt waits.
    Halted,
    /// The bus asked for a stop.
    Stopped,
    /// A fault while delivering a double fault.
    Shutdown,
    /// Something that is observed happened: see [`Cpu::take_hits`].
    Observed,
}

impl Cpu {
    /// A processor after reset, over `phys`.
    pub fn new(phys: PhysMemory, geometry: Geometry) -> Cpu {
        let pages = phys.page_count();
        let mut cpu = Cpu {
            regs: [0; gpr::SLOTS],
            flags: Flags::from_bits(0),
            budget: 0,
            block: std::ptr::null(),
            tlb_base: std::ptr::null_mut(),
            tlb_mask: 0,
            live: Live::default(),
            fetch_key: NO_KEY,
            rip_width: u64::MAX,
            rip: 0xfff0,
            rflags_rest: RFLAGS_RESET,
            deadline: 0,
            pending: Pending::Nothing,
            xmm: [0; 16],
            mxcsr: 0x1f80,
            x87: X87::default(),
            state: State::reset(),
            class: Class::Supervisor,
            is_alone: true,
            in_flight: 0,
            is_step_hidden: false,
            bus: None,
            probes: Probes::default(),
            taps: Taps::default(),
            repeating_at: u64::MAX,
            tlb: Tlb::new(geometry.tlb),
            phys,
            tables: Tables::new(pages),
            blocks: BlockCache::new(pages, geometry.block),
            jit: None,
        };
        if geometry.engine == Engine::Jit && Jit::is_supported() {
            cpu.jit = Jit::new(geometry.hot).ok().map(Box::new);
        }
        cpu.update_mode();
        cpu
    }

    /// Runs until `until` instructions have been retired since power-on, or something else ends it.
    pub fn run(&mut self, bus: &mut (dyn Bus + 'static), until: u64) -> Exit {
        self.taps.forget();
        self.run_as_tapped(bus, until)
    }
    pub(super) fn run_as_tapped(&mut self, bus: &mut (dyn Bus + 'static), until: u64) -> Exit {
        let icount = self.icount();
        self.deadline = until;
        self.budget = until.wrapping_sub(icount) as i64;
        self.bus = Some(bus);
        let exit = self.run_with_bus();
        self.bus = None;
        exit
    }

    fn run_with_bus(&mut self) -> Exit {
        loop {
            if self.probes.has_rings() {
                self.note_ring();
            }
            if std::mem::take(&mut self.probes.stop) {
                return Exit::Observed;
            }
            if self.bus().stop_requested() {
                return Exit::Stopped;
            }
            if self.budget <= 0 {
                return Exit::Limit;
            }
            let shadowed = self.state.interrupt_shadow;
            if !shadowed && self.has_rflag(bit::IF) && self.bus().interrupt_pending() {
                let now = self.icount();
                if let Some(vector) = self.bus().acknowledge_interrupt(now) {
                    self.state.is_halted = false;
                    let before = self.interrupted();
                    if let Err(Shutdown) = self.deliver_interrupt(vector) {
                        return Exit::Shutdown;
                    }
                    self.note_delivery(before, true);
                    if self.probes.stop {
                        continue;
                    }
                }
            }
            if !shadowed && !self.state.nmi_blocked && self.bus().take_nmi() {
                self.state.is_halted = false;
                let before = self.interrupted();
                if let Err(Shutdown) = self.deliver_nmi() {
                    return Exit::Shutdown;
                }
                self.note_delivery(before, true);
                if self.probes.stop {
                    continue;
                }
            }
            if self.state.is_halted {
                return Exit::Halted;
            }
            self.blocks.bury();
            if self.taps.has_begun() {
                self.tap_begun();
            }
            let needs_care = shadowed || self.has_rflag(bit::TF | bit::RF) || self.has_breakpoints();
            let outcome = if self.is_breakpointed() && !self.is_repeating() {
                self.step_over_breakpoint(needs_care)
            } else if needs_care {
                self.step_with_care()
            } else if self.taps.has_begun() {
                self.step_alone()
            } else {
                self.run_blocks()
            };
            if let Err(Shutdown) = outcome {
                return Exit::Shutdown;
            }
        }
    }

    /// Runs blocks until one ends where the loop must look up.
    fn run_blocks(&mut self) -> Result<(), Shutdown> {
        let header = match self.lookup(self.mode()) {
            Ok(header) => header,
            Err(Stop) => return self.settle(),
        };
        // SAFETY: the header belongs to a live block.
        let count = i64::from(unsafe { (*header).rest });
        if self.budget < count {
            // Too near to the limit for the whole block.
            return self.step_alone();
        }
        self.is_alone = false;
        let start = self.block_start();
        let code = if self.taps.has_blocks() { None } else { self.native(header) };
        if self.taps.has_blocks() {
            // No block shall lead to another unseen.
            self.fetch_key = NO_KEY;
        }
        match code {
            // Code pays for its blocks itself.
            Some(code) => self.run_native(code),
            None => {
                self.budget -= count;
                self.run_block(header);
            }
        }
        self.is_alone = true;
        // SAFETY: the run loop buries blocks later.
        unsafe { self.tap_block(start, header) };
        match self.pending {
            Pending::Nothing => Ok(()),
            Pending::Alone => {
                self.pending = Pending::Nothing;
                self.step_alone()
            }
            Pending::Fault(_) => self.settle(),
        }
    }

    /// Runs the next instruction alone, so that it may touch what is special.
    fn step_alone(&mut self) -> Result<(), Shutdown> {
        let mode = Mode(self.mode().0 | Mode::ALONE);
        let header = match self.lookup(mode) {
            Ok(header) => header,
            Err(Stop) => return self.settle(),
        };
        let traced = self.has_rflag(bit::TF);
        self.fetch_key = NO_KEY;
        self.is_step_hidden = false;
        let start = self.block_start();
        self.budget -= 1;
        self.in_flight = 1;
        let before = self.icount();
        self.run_block(header);
        let retired = self.icount() == before;
        self.in_flight = 0;
        // SAFETY: the run loop buries blocks later.
        unsafe { self.tap_block(start, header) };
        self.update_mode();
        self.settle()?;
        if !retired {
            return Ok(());
        }
        if traced && !self.is_step_hidden {
            self.state.debug_pending |= DR6_BS;
        }
        if self.state.debug_pending != 0 && !self.state.debug_shadow {
            return self.deliver_debug_trap();
        }
        Ok(())
    }

    fn run_block(&mut self, header: *const Op) {
        self.block = header;
        self.regs[gpr::BLOCK] = self.rip;
        if self.taps.has_memory() {
            return self.run_op_by_op();
        }
        // SAFETY: a header is followed by at least one op, and the last op of a block returns null.
        unsafe {
            let mut op = header.add(1);
            while !op.is_null() {
                op = ((*op).handler)(self, op);
            }
        }
    }

    /// Runs the ops of the running block with a look at memory taps behind each.
    fn run_op_by_op(&mut self) {
        // The last op shall not lead to another block.
        self.fetch_key = NO_KEY;
        // SAFETY: the running block's header, with its ops behind it.
        unsafe {
            let header = self.block;
            let count = usize::from((*header).rest);
            let is_joined = (*header).aux & JOINED != 0;
            let last = if is_joined { count - 1 } else { count };
            for number in 1..last {
                if !self.run_op(header.add(number)) {
                    return;
                }
            }
            let first = header.add(last);
            let (rip, rest) = (self.op_address(&*first), (*first).rest);
            let mut op = first;
            while !op.is_null() {
                op = ((*op).handler)(self, op);
            }
            self.tap_op(rip, rest, self.pending == Pending::Nothing);
        }
    }
    /// Runs one op that is not the last of its block; false if it left the block.
    ///
    /// # Safety
    /// It is an op of the running block.
    #[inline(always)]
    pub(super) unsafe fn run_op(&mut self, op: *const Op) -> bool {
        /// An op that says that the one before it has completed.
        unsafe extern "C" fn back(_: &mut Cpu, op: *const Op) -> *const Op {
            op
        }
        // SAFETY: the caller's; a handler gets an op and one behind it.
        unsafe {
            let mut pair = [*op; 2];
            pair[1].handler = back;
            let is_done = !((pair[0].handler)(self, pair.as_ptr())).is_null();
            self.tap_op(self.op_address(&pair[0]), pair[0].rest, is_done);
            is_done
        }
    }

    /// Delivers the fault that waits, if any.
    fn settle(&mut self) -> Result<(), Shutdown> {
        match std::mem::take(&mut self.pending) {
            Pending::Fault(fault) => {
                let before = self.interrupted();
                self.deliver_fault(fault)?;
                self.note_delivery(before, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The next instruction, which a breakpoint or a tap is on. It hits if the instruction retires.
    fn step_over_breakpoint(&mut self, needs_care: bool) -> Result<(), Shutdown> {
        let hits = self.breakpoints_here();
        let (at, la, front) = (self.at(), self.code_address(), self.front());
        let outcome = if needs_care { self.step_with_care() } else { self.step_alone() };
        if self.icount() > at.0 {
            if self.taps.stops_at(la) {
                self.tap_executed(at.0, &front, la);
            }
            hits.into_iter().for_each(|number| self.note(at, What::Executed(number)));
        }
        outcome
    }

    /// One instruction where single-stepping, breakpoints, RF or an interrupt shadow are to be honoured.
    fn step_with_care(&mut self) -> Result<(), Shutdown> {
        let had_shadow = std::mem::take(&mut self.state.debug_shadow);
        self.state.interrupt_shadow = false;
        if !had_shadow && !self.has_rflag(bit::RF) && self.instruction_breakpoint() {
            let before = self.interrupted();
            let outcome = self.deliver_debug_fault();
            self.note_delivery(before, false);
            return outcome;
        }
        // RF serves one instruction; what that one loads (IRET, a task switch) stays.
        self.rflags_rest &= !bit::RF;
        self.step_alone()
    }

    /// Finds the block at the current instruction pointer, decoding it if need be. Returns its header.
    fn lookup(&mut self, mode: Mode) -> Result<*const Op, Stop> {
        let found = self.lookup_unseen(mode);
        // Accessed bits of the page tables that lead to it.
        self.tap_between(self.icount());
        found
    }
    fn lookup_unseen(&mut self, mode: Mode) -> Result<*const Op, Stop> {
        let rip = self.rip;
        let slot = BlockCache::jump_slot(rip) ^ if mode.has(Mode::ALONE) { JUMPS / 2 } else { 0 };
        let key = self.current_key(mode, rip);
        self.fetch_key = key;
        let jump = self.blocks.jumps[slot];
        if jump.rip == rip && jump.key == key {
            return Ok(jump.header);
        }
        let la = self.fetch_address(rip)?;
        let gpa = self.translate_fetch(la)?;
        self.note_executed(la, gpa);
        let header = match self.find(gpa, la, mode)? {
            Some(header) => header,
            None => {
                let built = self.build(mode)?;
                for &(index, _, _) in &built.spans {
                    if self.phys.attrs[index as usize] & page::CODE == 0 {
                        self.withhold_writes(index as usize);
                    }
                }
                self.blocks.insert(gpa, mode, built.ops, built.instructions, &built.spans, &mut self.phys)
            }
        };
        // Making room for a block may have killed others, and that changes the key.
        self.fetch_key = self.current_key(mode, rip);
        // A breakpointed instruction is always looked for, so that the run loop sees it.
        if self.fetch_key != NO_KEY && !self.is_breakpointed() {
            let code = self.jump_code(header, rip);
            // SAFETY: a header's `imm` is the address of its block, which lives.
            let block = unsafe { &*((*header).imm as *const Block) };
            let jump = self.blocks.jump(rip, self.fetch_key, block, code);
            self.blocks.jumps[slot] = jump;
        }
        Ok(header)
    }

    /// A known block, if the second page of a straddling one is still what it was decoded from.
    fn find(&mut self, gpa: u64, la: u64, mode: Mode) -> Result<Option<*const Op>, Stop> {
        let Some(block) = self.blocks.find(gpa, mode) else { return Ok(None) };
        let (header, second) = (block.header(), block.pages.1);
        let Some(second) = second else { return Ok(Some(header)) };
        let next_page = self.wrap_fetch((la | (PAGE - 1)).wrapping_add(1));
        let gpa = self.translate_fetch(next_page)?;
        let same = self.phys.page(gpa).is_some_and(|p| p.index as u32 == second);
        Ok(same.then_some(header))
    }

    /// The linear address of the instruction at `rip`.
    fn fetch_address(&mut self, rip: u64) -> Result<u64, Stop> {
        if self.is_64bit() {
            if !super::access::is_canonical(rip) {
                return self.fault(Fault::gp(0));
            }
            return Ok(rip);
        }
        let cs = &self.state.seg[seg::CS];
        if rip > u64::from(cs.limit) {
            return self.fault(Fault::gp(0));
        }
        Ok(cs.base.wrapping_add(rip) & 0xffff_ffff)
    }
    fn wrap_fetch(&self, la: u64) -> u64 {
        if self.is_long() { la } else { la & 0xffff_ffff }
    }

    /// Decodes the block at the current instruction pointer.
    fn build(&mut self, mode: Mode) -> Result<decode::Built, Stop> {
        let rip = self.rip;
        let la = self.fetch_address(rip)?;
        let gpa = self.translate_fetch(la)?;
        let Some(ram) = self.phys.page(gpa) else {
            // Unclaimed memory reads as all ones, and FF FF is an undefined opcode.
            return self.fault(Fault::ud());
        };
        let offset = (gpa % PAGE) as usize;
        let left = if self.is_64bit() { u64::MAX } else { u64::from(self.state.seg[seg::CS].limit) - rip + 1 };
        let in_page = (PAGE as usize - offset).min(usize::try_from(left).unwrap_or(usize::MAX));
        // SAFETY: the bytes are inside the page, and nothing writes RAM while they are being decoded.
        let bytes = unsafe { std::slice::from_raw_parts(ram.host.add(offset), in_page) };
        let limit = if mode.has(Mode::ALONE) { 1 } else { self.blocks.longest };
        let probes = &self.probes;
        let is_cut = |at: usize| probes.offsets().has((offset + at) as u64);
        if let Some(mut built) = decode::block(bytes, mode, limit, &is_cut) {
            built.spans.push((ram.index as u32, offset, built.bytes));
            return Ok(built);
        }
        // The first instruction does not end inside this page (or inside the segment's limit).
        let mut joined = bytes.to_vec();
        let mut second = None;
        if in_page == PAGE as usize - offset {
            let next = self.wrap_fetch((la | (PAGE - 1)).wrapping_add(1));
            if self.is_64bit() && !super::access::is_canonical(next) {
                return self.fault(Fault::gp(0));
            }
            let gpa = self.translate_fetch(next)?;
            let Some(ram) = self.phys.page(gpa) else { return self.fault(Fault::ud()) };
            let more = (15 - in_page.min(15)).min(usize::try_from(left - in_page as u64).unwrap_or(usize::MAX));
            // SAFETY: at most 15 bytes at the start of a page.
            joined.extend_from_slice(unsafe { std::slice::from_raw_parts(ram.host, more) });
            second = Some(ram.index as u32);
        }
        let Some(mut built) = decode::block(&joined, mode, 1, &|_| false) else {
            // More bytes than the segment or the manual's 15 allow (SDM vol. 2, 2.3.11).
            return self.fault(Fault::gp(0));
        };
        built.spans.push((ram.index as u32, offset, built.bytes.min(in_page)));
        if let Some(index) = second.filter(|_| built.bytes > in_page) {
            built.spans.push((index, 0, built.bytes - in_page));
        }
        Ok(built)
    }

    /// Drops the blocks of a page whose bytes changed.
    pub(crate) fn forget_code(&mut self, index: usize) {
        self.blocks.kill_page(index, &mut self.phys);
        self.update_mode();
    }

    /// Recomputes what is derived from CS, SS, CPL, the control registers and RFLAGS. To be called after any of
    /// them changed.
    pub fn update_mode(&mut self) {
        let s = &self.state;
        self.class = match s.cpl {
            3 if s.cr0 & cr::CR0_AM != 0 && self.has_rflag(bit::AC) => Class::Checked,
            3 => Class::User,
            _ if self.has_rflag(bit::AC) => Class::SupervisorAc,
            _ => Class::Supervisor,
        };
        self.tlb_base = self.tlb.base(self.class);
        self.tlb_mask = self.tlb.mask();
        self.rip_width = if self.is_64bit() { u64::MAX } else { 0xffff_ffff };
        // The run loop finds the key anew before the next block.
        self.fetch_key = NO_KEY;
        self.live.key = NO_KEY;
    }

    /// What jump cache entries must carry for code at `rip`.
    pub(super) fn current_key(&self, mode: Mode, rip: u64) -> u64 {
        // The jump cache goes by RIP alone, so it serves only where RIP is the linear address.
        if !self.is_64bit() && !self.state.seg[seg::CS].is_flat() {
            return NO_KEY;
        }
        // Supervisor code in the upper half is the same in many address spaces. Code that goes from one half to the
        // other finds no entry with its key there, and comes by here.
        let half = match ((rip as i64) < 0, mode.has(Mode::USER)) {
            (false, _) => Half::Lower,
            (true, false) => Half::Upper,
            // Only the vsyscall page of old programs.
            (true, true) => return NO_KEY,
        };
        self.blocks.fetch_key(mode, self.tlb.bank(), half)
    }

    /// The mode that blocks are decoded for now.
    pub(crate) fn mode(&self) -> Mode {
        let s = &self.state;
        let mut m = match self.code_bytes() {
            8 => 2,
            4 => 1,
            _ => 0,
        };
        let mut set = |bit: u16, on: bool| {
            if on {
                m |= bit;
            }
        };
        set(Mode::STACK32, self.stack_bytes() == 4);
        set(Mode::USER, s.cpl == 3);
        let in_protected = self.is_protected() && !self.is_v86();
        set(Mode::FLAT, in_protected && [seg::ES, seg::CS, seg::SS, seg::DS].iter().all(|&i| s.seg[i].is_flat()));
        let (em, ts, mp) = (s.cr0 & cr::CR0_EM != 0, s.cr0 & cr::CR0_TS != 0, s.cr0 & cr::CR0_MP != 0);
        set(Mode::NO_X87, em || ts);
        set(Mode::NO_SSE, ts);
        set(Mode::SSE_OFF, em || s.cr4 & cr::CR4_OSFXSR == 0);
        set(Mode::EMULATE, em);
        set(Mode::NO_WAIT, ts && mp);
        Mode(m)
    }

    /// The decoded form of the running instruction.
    pub(crate) fn instruction(&self, op: &Op) -> *const iced_x86::Instruction {
        // SAFETY: `block` is the header of the running block, whose `imm` is the block's address.
        let block = unsafe { &*((*self.block).imm as *const Block) };
        &raw const block.instructions[usize::from(op.instruction)]
    }
}

/// DR6.BS: the trap is a single step.
pub(crate) const DR6_BS: u64 = 1 << 14;
