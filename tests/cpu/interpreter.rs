//! The CPU engine behind the differential test's [`Engine`] trait.
//!
//! Each case runs in 64-bit user mode over real page tables and a real IDT, whose gates lead to a HLT per vector;
//! the case's exit jump reads an unmapped slot, so that every case ends in an exception.

use crate::native::case::{
    Bytes, CODE_BASE, CODE_SIZE, Case, DATA_BASE, DATA_SIZE, EXIT_SLOT, End, FLAGS, Fault, FxImage, Outcome, Retires,
    State, WRITABLE_SIZE, background, changes,
};
use crate::native::engine::Engine;
use reenact::cpu::Cpu;
use reenact::cpu::block::Geometry;
use reenact::cpu::bus::Bus;
use reenact::cpu::phys::PhysMemory;
use reenact::cpu::run::Exit;
use reenact::cpu::state::{Segment, TableRegister, attr, cr, seg};
use reenact::cpu::x87::FxForm;

const RAM: usize = 0x20_0000;
const PML4: u64 = 0x1000;
const CODE: u64 = 0x10_0000;
const DATA: u64 = 0x11_0000;
/// Where kernel pages appear: in the kernel's half, like the host's.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Physical kernel pages: GDT, IDT, TSS, handlers, stack.
const GDT: u64 = 0x8000;
const IDT: u64 = 0x9000;
const TSS: u64 = 0xa000;
const HANDLERS: u64 = 0xb000;
const STACK: u64 = 0xd000;
const STACK_TOP: u64 = STACK + 0x1000;

struct Nothing;

impl Bus for Nothing {
    fn mmio_read(&mut self, _: u64, _: u8, _: u64) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64, _: u64) {}
    fn port_read(&mut self, _: u16, _: u8, _: u64) -> u32 {
        u32::MAX
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32, _: u64) {}
    fn interrupt_pending(&self) -> bool {
        false
    }
    fn acknowledge_interrupt(&mut self, _: u64) -> Option<u8> {
        None
    }
    fn take_nmi(&mut self) -> bool {
        false
    }
    fn stop_requested(&self) -> bool {
        false
    }
    fn clock_ns(&self, now: u64) -> u64 {
        now
    }
    fn task_priority(&self) -> u8 {
        0
    }
    fn set_task_priority(&mut self, _: u8, _: u64) {}
    fn apic_base(&self) -> u64 {
        0
    }
    fn set_apic_base(&mut self, _: u64, _: u64) -> bool {
        false
    }
}

/// The engine with its small world.
pub struct Interpreter {
    // Dropped before the RAM that it points into.
    cpu: Box<Cpu>,
    ram: Box<[u8]>,
    code: Vec<u8>,
    /// What data memory held before the case; between cases both are the background.
    before: Box<[u8; DATA_SIZE]>,
}

impl Interpreter {
    pub fn new(geometry: Geometry) -> Interpreter {
        let mut ram = vec![0u8; RAM + 4096].into_boxed_slice();
        let at = ram.as_mut_ptr().align_offset(4096);
        // SAFETY: `ram` lives as long as the CPU, is only touched through it, and has RAM bytes from `at`.
        let phys = unsafe { PhysMemory::new(ram.as_mut_ptr().add(at), RAM as u64, std::ptr::null_mut(), 0) };
        let mut cpu = Box::new(Cpu::new(phys, geometry));
        map_all(&mut cpu);
        tables(&mut cpu);
        cpu.state.cr0 = cr::CR0_PE | cr::CR0_PG | cr::CR0_NE | cr::CR0_WP | cr::CR0_AM | cr::CR0_MP | cr::CR0_ET;
        cpu.state.cr3 = PML4;
        cpu.state.cr4 = cr::CR4_PAE | cr::CR4_OSFXSR | cr::CR4_OSXMMEXCPT;
        cpu.state.efer = cr::EFER_LME | cr::EFER_LMA | cr::EFER_NXE | cr::EFER_SCE;
        cpu.state.gdtr = TableRegister { base: KERNEL + GDT, limit: 0x3f };
        cpu.state.idtr = TableRegister { base: KERNEL + IDT, limit: 0xfff };
        cpu.state.tr = Segment { selector: 0x28, attr: attr::P | 0xb, limit: 0x67, base: KERNEL + TSS };
        cpu.poke(CODE, &vec![0xcc; CODE_SIZE]);
        cpu.poke(DATA, background());
        Interpreter { cpu, ram, code: Vec::new(), before: Box::new(*background()) }
    }

    fn user_mode(&mut self) {
        let flat = |selector: u16, kind: u16| Segment {
            selector,
            attr: attr::P | attr::S | attr::DPL | attr::G | kind,
            limit: u32::MAX,
            base: 0,
        };
        let s = &mut self.cpu.state;
        s.seg = [flat(0x2b, 3 | attr::DB); 6];
        s.seg[seg::CS] = flat(0x33, 0xb | attr::L);
        for i in [seg::FS, seg::GS] {
            s.seg[i] = Segment::default();
        }
        s.cpl = 3;
        s.is_halted = false;
    }

    fn enter(&mut self, case: &Case) {
        // The last case's code goes, this one's comes.
        let entry = CODE + case.entry() as u64;
        let code = case.code_with_exit();
        let filler = vec![0xcc; self.code.len() + 64];
        if let Some(at) = self.last_entry() {
            self.cpu.poke(at, &filler[..self.code.len() - 8]);
        }
        self.cpu.poke(entry, &code);
        self.code = [&entry.to_le_bytes()[..], &code].concat();
        for patch in &case.memory {
            self.cpu.poke(DATA + u64::from(patch.offset), &patch.bytes);
            self.before[patch.offset as usize..][..patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        self.user_mode();
        let before = &case.before;
        let cpu = &mut self.cpu;
        cpu.regs[..16].copy_from_slice(&before.gpr);
        cpu.rip = before.rip;
        cpu.set_rflags(before.rflags & FLAGS | 0x202);
        for i in 0..16 {
            cpu.xmm[i] = before.fx.xmm(i);
        }
        cpu.mxcsr = before.fx.mxcsr();
        cpu.x87.load_fxsave(FxForm::Wide, &before.fx.0);
        cpu.update_mode();
    }
    /// What the case changed; memory is the background again afterwards.
    fn changed_memory(&mut self, case: &Case) -> Vec<Bytes> {
        let mut data = [0; WRITABLE_SIZE];
        self.cpu.phys.read(DATA, &mut data).expect("RAM");
        let memory = changes(&self.before[..WRITABLE_SIZE], &data);
        for run in memory.iter().chain(&case.memory) {
            let range = run.offset as usize..run.offset as usize + run.bytes.len();
            self.cpu.poke(DATA + u64::from(run.offset), &background()[range.clone()]);
            self.before[range.clone()].copy_from_slice(&background()[range]);
        }
        memory
    }
    fn last_entry(&self) -> Option<u64> {
        self.code.first_chunk::<8>().map(|b| u64::from_le_bytes(*b))
    }
}

impl Engine for Interpreter {
    fn run(&mut self, case: &Case) -> Outcome {
        self.enter(case);
        let started = self.cpu.icount();
        let exit = self.cpu.run(&mut Nothing, started + 100_000);
        assert_eq!(exit, Exit::Halted, "rip {:x} after {}", self.cpu.rip, self.cpu.icount() - started);
        // The HLT of the handler is one instruction too.
        let retired = self.cpu.icount() - started - 1;
        let vector = ((self.cpu.rip - 1 - KERNEL - HANDLERS) / 16) as u8;
        let has_code = matches!(vector, 8 | 10..=14 | 17);
        let sp = STACK_TOP - if has_code { 48 } else { 40 };
        let word = |i: u64| {
            let mut b = [0; 8];
            self.cpu.phys.read(sp + i * 8, &mut b).expect("the stack is RAM");
            u64::from_le_bytes(b)
        };
        let skip = u64::from(has_code);
        let (error, rip, rflags, rsp) =
            (if has_code { word(0) } else { 0 }, word(skip), word(skip + 2), word(skip + 3));
        let is_end = vector == 14 && rip == case.end() && self.cpu.state.cr2 == EXIT_SLOT;
        let end = if is_end {
            End::Reached
        } else {
            End::Fault(Fault { vector, error, address: (vector == 14).then_some(self.cpu.state.cr2) })
        };
        let mut gpr: [u64; 16] = self.cpu.regs[..16].try_into().expect("sixteen");
        gpr[4] = rsp;
        let mut fx = FxImage::initial();
        self.cpu.x87.store_fxsave(FxForm::Wide, &mut fx.0);
        for i in 0..16 {
            fx.set_xmm(i, self.cpu.xmm[i]);
        }
        fx.set_mxcsr(self.cpu.mxcsr);
        fx.normalise();
        let memory = self.changed_memory(case);
        let retired = matches!(case.retires, Retires::Exactly(_)).then_some(retired);
        Outcome { state: State { gpr, rip, rflags: rflags & FLAGS, fx }, memory, end, retired }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        assert!(!self.ram.is_empty());
    }
}

/// Page tables: kernel pages in their half, the case's pages for user mode.
fn map_all(cpu: &mut Cpu) {
    let mut next = PML4 + 0x1000;
    for page in [GDT, IDT, TSS, HANDLERS, STACK] {
        map(cpu, &mut next, KERNEL + page, page, 3);
    }
    for i in 0..(CODE_SIZE / 4096) as u64 {
        map(cpu, &mut next, CODE_BASE + i * 4096, CODE + i * 4096, 5);
    }
    for i in 0..(DATA_SIZE / 4096) as u64 {
        let writable = if i * 4096 < WRITABLE_SIZE as u64 { 2 } else { 0 };
        map(cpu, &mut next, DATA_BASE + i * 4096, DATA + i * 4096, 5 | writable | 1 << 63);
    }
}

fn map(cpu: &mut Cpu, next: &mut u64, la: u64, gpa: u64, bits: u64) {
    let mut table = PML4;
    for level in (1..4).rev() {
        let at = table + ((la >> (12 + 9 * level)) & 511) * 8;
        let mut entry = [0; 8];
        cpu.phys.read(at, &mut entry).expect("RAM");
        let mut entry = u64::from_le_bytes(entry);
        if entry == 0 {
            entry = *next | 7;
            cpu.poke(at, &entry.to_le_bytes());
            *next += 0x1000;
        }
        table = entry & !0xfff;
    }
    cpu.poke(table + ((la >> 12) & 511) * 8, &(gpa | bits).to_le_bytes());
}

fn tables(cpu: &mut Cpu) {
    let kernel_code = 0x00af_9a00_0000_ffffu64;
    cpu.poke(GDT + 0x10, &kernel_code.to_le_bytes());
    cpu.poke(TSS + 4, &(KERNEL + STACK_TOP).to_le_bytes());
    for v in 0..32u64 {
        let at = KERNEL + HANDLERS + v * 16;
        let low = at & 0xffff | 0x10 << 16 | 0xee00 << 32 | (at >> 16 & 0xffff) << 48;
        cpu.poke(IDT + v * 16, &low.to_le_bytes());
        cpu.poke(IDT + v * 16 + 8, &(at >> 32).to_le_bytes());
        cpu.poke(HANDLERS + v * 16, &[0xf4]);
    }
}
