//! A machine of one megabyte with descriptor tables, small enough to see through, and the tests that run on it.

mod events;
mod levels;
mod long;
mod refusals;
mod registers;
mod segments;
mod tasks;

use crate::cpu::Cpu;
use crate::cpu::block::Geometry;
use crate::cpu::bus::Bus;
use crate::cpu::phys::PhysMemory;
use crate::cpu::run::Exit;
use crate::cpu::state::{Segment, TableRegister, attr, cr, gpr, seg};

pub const GDT: u64 = 0x1000;
pub const IDT: u64 = 0x2000;
pub const TSS: u64 = 0x3000;
pub const TSS_B: u64 = 0x4000;
pub const TABLES: u64 = 0x8000;
pub const CODE: u64 = 0x1_0000;
pub const STACK: u64 = 0x2_0000;
pub const STACK_0: u64 = 0x3_0000;
pub const HANDLERS: u64 = 0x4_0000;

/// Selectors of the test GDT.
pub mod sel {
    pub const CODE0: u16 = 0x08;
    pub const DATA0: u16 = 0x10;
    pub const CODE3: u16 = 0x1b;
    pub const DATA3: u16 = 0x23;
    pub const TSS: u16 = 0x28;
    pub const CODE64: u16 = 0x38;
    pub const ABSENT_CODE: u16 = 0x40;
    pub const READ_ONLY: u16 = 0x48;
    pub const CONFORMING: u16 = 0x50;
    pub const EXECUTE_ONLY: u16 = 0x58;
    pub const ABSENT_DATA: u16 = 0x60;
    pub const CALL_GATE: u16 = 0x68;
    pub const TSS_B: u16 = 0x70;
    pub const LDT: u16 = 0x78;
    pub const CODE64_USER: u16 = 0x83;
    pub const DATA64_USER: u16 = 0x8b;
    pub const TASK_GATE: u16 = 0x90;
    pub const BEYOND: u16 = 0x100;
}

/// Ports remember what was written; reads count up.
#[derive(Default)]
pub struct TestBus {
    pub written: Vec<(u16, u8, u32, u64)>,
    pub reads: u32,
    pub priority: u8,
    pub nmi: bool,
}

impl Bus for TestBus {
    fn mmio_read(&mut self, _: u64, _: u8, _: u64) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64, _: u64) {}
    fn port_read(&mut self, _: u16, _: u8, _: u64) -> u32 {
        self.reads += 1;
        self.reads
    }
    fn port_write(&mut self, port: u16, size: u8, value: u32, now: u64) {
        self.written.push((port, size, value, now));
    }
    fn interrupt_pending(&self) -> bool {
        false
    }
    fn acknowledge_interrupt(&mut self, _: u64) -> Option<u8> {
        None
    }
    fn take_nmi(&mut self) -> bool {
        std::mem::take(&mut self.nmi)
    }
    fn stop_requested(&self) -> bool {
        false
    }
    fn clock_ns(&self, now: u64) -> u64 {
        now + 1000
    }
    fn task_priority(&self) -> u8 {
        self.priority
    }
    fn set_task_priority(&mut self, class: u8, _: u64) {
        self.priority = class;
    }
    fn apic_base(&self) -> u64 {
        0xfee0_0900
    }
    fn set_apic_base(&mut self, _: u64, _: u64) -> bool {
        false
    }
}

#[derive(Clone)]
#[repr(align(4096))]
struct Page([u8; 4096]);

pub struct Machine {
    ram: Vec<Page>,
    pub cpu: Cpu,
    pub bus: TestBus,
}

/// A descriptor with a byte limit; `attr` as in [`attr`].
pub fn descriptor(base: u64, limit: u32, attr: u16) -> u64 {
    let raw = if attr & attr::G != 0 { limit >> 12 } else { limit };
    let raw = u64::from(raw);
    raw & 0xffff
        | (base & 0xff_ffff) << 16
        | u64::from(attr) << 40
        | (raw >> 16 & 0xf) << 48
        | (base >> 24 & 0xff) << 56
}
/// A gate: `kind` with P and DPL, `count` for call gates (or IST).
pub fn gate(selector: u16, offset: u64, kind: u8, count: u8) -> u64 {
    offset & 0xffff
        | u64::from(selector) << 16
        | u64::from(count) << 32
        | u64::from(kind) << 40
        | (offset >> 16 & 0xffff) << 48
}

impl Machine {
    /// Real mode, as after reset but with everything at zero.
    pub fn real() -> Machine {
        let mut ram = vec![Page([0; 4096]); 256];
        let host = ram.as_mut_ptr().cast::<u8>();
        // SAFETY: the pages live in the same struct as the CPU and are touched only between runs.
        let phys = unsafe { PhysMemory::new(host, 1 << 20, host, 0) };
        let mut cpu = Cpu::new(phys, Geometry::default());
        cpu.state.idtr = TableRegister { base: 0, limit: 0x3ff };
        cpu.state.seg[seg::CS] = Segment { attr: 0x9b, ..Segment::real(0x1000) };
        cpu.rip = 0;
        cpu.regs[gpr::RSP] = 0x8000;
        cpu.update_mode();
        Machine { ram, cpu, bus: TestBus::default() }
    }
    fn common_tables(&mut self) {
        let entries = [
            (sel::CODE0, descriptor(0, u32::MAX, 0xc09b)),
            (sel::DATA0, descriptor(0, u32::MAX, 0xc093)),
            (sel::CODE3, descriptor(0, u32::MAX, 0xc0fb)),
            (sel::DATA3, descriptor(0, u32::MAX, 0xc0f3)),
            (sel::TSS, descriptor(TSS, 0xff, 0x8b)),
            (sel::CODE64, descriptor(0, u32::MAX, 0xa09b)),
            (sel::ABSENT_CODE, descriptor(0, u32::MAX, 0xc01b)),
            (sel::READ_ONLY, descriptor(0, u32::MAX, 0xc091)),
            (sel::CONFORMING, descriptor(0, u32::MAX, 0xc09f)),
            (sel::EXECUTE_ONLY, descriptor(0, u32::MAX, 0xc0f9)),
            (sel::ABSENT_DATA, descriptor(0, u32::MAX, 0xc073)),
            (sel::TSS_B, descriptor(TSS_B, 0x67, 0x89)),
            (sel::LDT, descriptor(0x5000, 0x1f, 0x82)),
            (sel::CODE64_USER, descriptor(0, u32::MAX, 0xa0fb)),
            (sel::DATA64_USER, descriptor(0, u32::MAX, 0xc0f3)),
            (sel::TASK_GATE, gate(sel::TSS_B, 0, 0xe5, 0)),
        ];
        for (selector, value) in entries {
            self.put(GDT + u64::from(selector & !7), value);
        }
        self.cpu.state.gdtr = TableRegister { base: GDT, limit: 0x9f };
        let tr = Segment { selector: sel::TSS, base: TSS, limit: 0xff, attr: 0x8b };
        self.cpu.state.tr = tr;
        self.cpu.state.ldtr = Segment::default();
    }
    /// 32-bit protected mode without paging, at level 0. Every vector has an interrupt gate to its own handler.
    pub fn protected() -> Machine {
        let mut m = Machine::real();
        m.common_tables();
        // A refused instruction is counted by the first one of its handler: a NOP.
        m.bytes(HANDLERS, &[0x90; 0x400]);
        for vector in 0..64 {
            m.put(IDT + vector * 8, gate(sel::CODE0, handler(vector as u8), 0x8e, 0));
        }
        m.cpu.state.idtr = TableRegister { base: IDT, limit: 64 * 8 - 1 };
        m.put(TSS + 4, STACK_0 as u32);
        m.put(TSS + 8, u32::from(sel::DATA0));
        m.cpu.state.cr0 |= cr::CR0_PE;
        m.set_level(0);
        m
    }
    /// Flat 32-bit segments of level 0 or 3, `rip` at the code, the stack pointer at the stack.
    pub fn set_level(&mut self, cpl: u8) {
        let (code, data) = if cpl == 0 { (sel::CODE0, sel::DATA0) } else { (sel::CODE3, sel::DATA3) };
        let dpl = u16::from(cpl) << 5;
        let flat = |selector, attr| Segment { selector, attr: attr | dpl, limit: u32::MAX, base: 0 };
        let s = &mut self.cpu.state;
        s.seg = [flat(data, 0xc093); 6];
        s.seg[seg::CS] = flat(code, 0xc09b);
        s.cpl = cpl;
        self.cpu.rip = CODE;
        self.cpu.regs[gpr::RSP] = STACK;
        self.cpu.update_mode();
    }
    /// 64-bit mode at level 0 or 3 with the first two megabytes mapped one to one for everybody.
    pub fn long(cpl: u8) -> Machine {
        let mut m = Machine::protected();
        m.put(TABLES, TABLES + 0x1000 + 7);
        m.put(TABLES + 0x1000, TABLES + 0x2000 + 7);
        m.put(TABLES + 0x2000, 0x87_u64);
        for vector in 0..64 {
            m.put(IDT + vector * 16, gate(sel::CODE64, handler(vector as u8), 0x8e, 0));
            m.put(IDT + vector * 16 + 8, 0_u64);
        }
        m.put(TSS + 4, STACK_0);
        let s = &mut m.cpu.state;
        s.idtr.limit = 64 * 16 - 1;
        s.cr3 = TABLES;
        s.cr4 = cr::CR4_PAE;
        s.efer = cr::EFER_LME | cr::EFER_LMA | cr::EFER_SCE;
        s.cr0 |= cr::CR0_PG;
        m.set_level(cpl);
        let cs = &mut m.cpu.state.seg[seg::CS];
        cs.selector = if cpl == 0 { sel::CODE64 } else { sel::CODE64_USER };
        cs.attr = cs.attr & !attr::DB | attr::L;
        m.cpu.update_mode();
        m
    }
    /// Writes a little-endian value into RAM behind the CPU's back.
    pub fn put<T: Into<Value>>(&mut self, gpa: u64, value: T) {
        let value = value.into();
        self.bytes(gpa, &value.0.to_le_bytes()[..value.1]);
    }
    pub fn bytes(&mut self, gpa: u64, bytes: &[u8]) {
        for page in gpa / 4096..=(gpa + bytes.len() as u64) / 4096 {
            self.cpu.forget_code(page as usize);
        }
        for (i, &b) in bytes.iter().enumerate() {
            let at = gpa as usize + i;
            self.ram[at / 4096].0[at % 4096] = b;
        }
    }
    pub fn get(&self, gpa: u64, len: usize) -> u64 {
        (0..len).rev().fold(0, |v, i| {
            let at = gpa as usize + i;
            v << 8 | u64::from(self.ram[at / 4096].0[at % 4096])
        })
    }
    /// The values on the stack from its top, each of `size` bytes.
    pub fn stacked(&self, size: usize, count: u64) -> Vec<u64> {
        let top = self.cpu.state.seg[seg::SS].base + self.cpu.stack_pointer();
        (0..count).map(|i| self.get(top + i * size as u64, size)).collect()
    }
    /// Puts code at RIP and retires `count` instructions, those of fault handlers included.
    pub fn run(&mut self, code: &[u8], count: u64) -> Exit {
        let at = self.cpu.state.seg[seg::CS].base + self.cpu.rip;
        self.bytes(at, code);
        let until = self.cpu.icount() + count;
        self.cpu.run(&mut self.bus, until)
    }
    pub fn selector(&self, register: usize) -> u16 {
        self.cpu.state.seg[register].selector
    }
}

pub struct Value(u64, usize);
impl From<u16> for Value {
    fn from(v: u16) -> Value {
        Value(v.into(), 2)
    }
}
impl From<u32> for Value {
    fn from(v: u32) -> Value {
        Value(v.into(), 4)
    }
}
impl From<u64> for Value {
    fn from(v: u64) -> Value {
        Value(v, 8)
    }
}

/// Where the handler of a vector starts.
pub fn handler(vector: u8) -> u64 {
    HANDLERS + u64::from(vector) * 0x10
}
/// The vector whose handler RIP is in, if any.
pub fn vector_at(rip: u64) -> Option<u8> {
    (HANDLERS..HANDLERS + 0x400).contains(&rip).then(|| ((rip - HANDLERS) / 0x10) as u8)
}
