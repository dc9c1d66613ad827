//! How fast the engines run: guest loops of one kind each, in millions of instructions a second.
//!
//! `cargo bench` measures, `cargo bench -- NAME` only what has NAME in its name. Each figure is the best of several
//! runs in processor time, because other work on the host only ever slows one down. There is no harness behind it:
//! what a user waits for is instructions, and those the engine counts itself.

use iced_x86::IcedError;
use iced_x86::code_asm::*;
use reenact::cpu::Cpu;
use reenact::cpu::block::{Engine, Geometry};
use reenact::cpu::bus::Bus;
use reenact::cpu::phys::PhysMemory;
use reenact::cpu::run::Exit;
use reenact::cpu::state::{Segment, attr, cr, gpr, seg};
use std::time::Duration;

const RAM: usize = 16 << 20;
const CODE: u64 = 0x10_0000;
const STACK_TOP: u64 = 0x20_0000;
const DATA: u64 = 0x40_0000;
const DATA_BYTES: u64 = 4 << 20;
const PML4: u64 = 0x1000;
/// Instructions in one run.
const RUN: u64 = 20_000_000;
const RUNS: usize = 5;

/// A loop without an end; RDI points to data, RSP to a stack.
type Body = fn(&mut CodeAssembler) -> Result<(), IcedError>;

const LOOPS: [(&str, Body); 9] = [
    ("arithmetic in registers", arithmetic),
    ("branches, half of them taken", branches),
    ("calls and returns", calls),
    ("loads and stores in one page", one_page),
    ("loads all over 4 MiB", scattered),
    ("multiply and divide", multiply),
    ("copy with REP MOVSQ (iterations)", copy),
    ("vectors of integers", vector_integers),
    ("floating point in SSE", floating_point),
];

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, body) in LOOPS {
        if only.is_empty() || only.iter().any(|part| name.contains(part.as_str())) {
            let [interpreted, translated] = [Engine::Interpreter, Engine::Jit].map(|engine| measure(body, engine));
            println!("{name:<36}{interpreted:>8.0} MIPS interpreted {translated:>8.0} MIPS translated");
        }
    }
}

fn measure(body: Body, engine: Engine) -> f64 {
    let mut guest = Guest::new(body, engine);
    guest.run(RUN / 10);
    let best = (0..RUNS).map(|_| guest.run(RUN)).min().expect("more than none");
    RUN as f64 / best.as_secs_f64() / 1e6
}

fn arithmetic(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.set_label(&mut again)?;
    a.add(rax, rbx)?;
    a.xor(rcx, rax)?;
    a.lea(rdx, qword_ptr(rax + rcx * 4 + 12))?;
    a.shr(rdx, 3)?;
    a.sub(rbx, rdx)?;
    a.and(rcx, 0x7fff_ffff)?;
    a.adc(r8, rcx)?;
    a.inc(r9)?;
    a.jmp(again)
}

fn branches(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    let mut skip = a.create_label();
    a.set_label(&mut again)?;
    a.inc(rcx)?;
    a.test(cl, 1)?;
    a.jne(skip)?;
    a.add(rax, rcx)?;
    a.set_label(&mut skip)?;
    a.cmp(rax, rcx)?;
    a.jne(again)?;
    a.jmp(again)
}

fn calls(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    let mut function = a.create_label();
    a.set_label(&mut again)?;
    a.call(function)?;
    a.jmp(again)?;
    a.set_label(&mut function)?;
    a.push(rbp)?;
    a.mov(rbp, rsp)?;
    a.add(rax, 1)?;
    a.pop(rbp)?;
    a.ret()
}

fn one_page(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.set_label(&mut again)?;
    a.mov(rax, qword_ptr(rdi + 8))?;
    a.add(rax, qword_ptr(rdi + 16))?;
    a.mov(qword_ptr(rdi + 24), rax)?;
    a.add(dword_ptr(rdi + 32), ecx)?;
    a.movzx(edx, byte_ptr(rdi + 40))?;
    a.mov(byte_ptr(rdi + 41), dl)?;
    a.jmp(again)
}

fn scattered(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.set_label(&mut again)?;
    a.imul_3(rcx, rcx, 0x0343_fd05)?;
    a.add(rcx, 0x0026_9ec3)?;
    a.mov(eax, ecx)?;
    a.and(eax, (DATA_BYTES - 8) as i32)?;
    a.add(rdx, qword_ptr(rdi + rax))?;
    a.jmp(again)
}

fn multiply(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.mov(rbx, 1_000_003u64)?;
    a.set_label(&mut again)?;
    a.imul_2(rcx, rbx)?;
    a.mov(rax, rcx)?;
    a.xor(edx, edx)?;
    a.div(rbx)?;
    a.add(rcx, rdx)?;
    a.inc(rcx)?;
    a.jmp(again)
}

fn copy(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.mov(rbx, rdi)?;
    a.set_label(&mut again)?;
    a.mov(rsi, rbx)?;
    a.lea(rdi, qword_ptr(rbx + 0x10_0000))?;
    a.mov(ecx, 0x2000)?;
    a.rep().movsq()?;
    a.jmp(again)
}

fn vector_integers(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.set_label(&mut again)?;
    a.movdqu(xmm0, xmmword_ptr(rdi))?;
    a.paddd(xmm0, xmm1)?;
    a.pxor(xmm1, xmm0)?;
    a.pshufd(xmm2, xmm1, 0x1b)?;
    a.pcmpeqb(xmm2, xmm0)?;
    a.pmovmskb(eax, xmm2)?;
    a.movdqu(xmmword_ptr(rdi + 16), xmm0)?;
    a.jmp(again)
}

fn floating_point(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.mov(eax, 3)?;
    a.cvtsi2sd(xmm1, eax)?;
    a.set_label(&mut again)?;
    a.cvtsi2sd(xmm0, ecx)?;
    a.mulsd(xmm0, xmm1)?;
    a.addsd(xmm2, xmm0)?;
    a.divsd(xmm0, xmm1)?;
    a.subsd(xmm2, xmm0)?;
    a.comisd(xmm2, xmm1)?;
    a.inc(ecx)?;
    a.jmp(again)
}

/// Host processor time of this thread: other work on the host takes none of it, but still slows it down.
fn processor_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec that can be written.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(code, 0, "the host has a clock for each thread");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// A processor in 64-bit mode at level 0 over 16 MiB of identity-mapped RAM.
struct Guest {
    // Dropped before the RAM that it points into.
    cpu: Box<Cpu>,
    _ram: Box<[u8]>,
}

impl Guest {
    fn new(body: Body, engine: Engine) -> Guest {
        let mut ram = vec![0u8; RAM + 4096].into_boxed_slice();
        let at = ram.as_mut_ptr().align_offset(4096);
        // SAFETY: `ram` lives as long as the CPU, is only touched through it, and has RAM bytes from `at`.
        let phys = unsafe { PhysMemory::new(ram.as_mut_ptr().add(at), RAM as u64, std::ptr::null_mut(), 0) };
        let mut cpu = Box::new(Cpu::new(phys, Geometry { engine, ..Geometry::default() }));
        identity_map(&mut cpu);
        let mut assembler = CodeAssembler::new(64).expect("64 is a bitness");
        body(&mut assembler).expect("the loop is made of valid instructions");
        cpu.poke(CODE, &assembler.assemble(CODE).expect("the loop's branches reach"));
        enter_long_mode(&mut cpu);
        Guest { cpu, _ram: ram }
    }

    fn run(&mut self, instructions: u64) -> Duration {
        let until = self.cpu.icount() + instructions;
        let started = processor_time();
        let exit = self.cpu.run(&mut Nothing, until);
        let elapsed = processor_time() - started;
        assert_eq!(exit, Exit::Limit, "the loop ended at rip {:x}", self.cpu.rip);
        elapsed
    }
}

/// 4 KiB pages, so that the TLB works as under an ordinary guest.
fn identity_map(cpu: &mut Cpu) {
    let mut put = |at: u64, value: u64| assert!(cpu.poke(at, &value.to_le_bytes()));
    put(PML4, (PML4 + 0x1000) | 3);
    put(PML4 + 0x1000, (PML4 + 0x2000) | 3);
    for table in 0..(RAM as u64 >> 21) {
        let at = PML4 + 0x3000 + table * 0x1000;
        put(PML4 + 0x2000 + table * 8, at | 3);
        for page in 0..512 {
            put(at + page * 8, ((table << 21) + (page << 12)) | 3);
        }
    }
}

fn enter_long_mode(cpu: &mut Cpu) {
    let flat = |kind: u16| Segment { selector: 8, attr: attr::P | attr::S | attr::G | kind, limit: u32::MAX, base: 0 };
    let s = &mut cpu.state;
    s.cr0 = cr::CR0_PE | cr::CR0_PG | cr::CR0_NE | cr::CR0_WP | cr::CR0_MP | cr::CR0_ET;
    s.cr3 = PML4;
    s.cr4 = cr::CR4_PAE | cr::CR4_OSFXSR | cr::CR4_OSXMMEXCPT;
    s.efer = cr::EFER_LME | cr::EFER_LMA;
    s.seg = [flat(3 | attr::DB); 6];
    s.seg[seg::CS] = flat(0xb | attr::L);
    cpu.rip = CODE;
    cpu.regs[gpr::RSP] = STACK_TOP;
    cpu.regs[gpr::RDI] = DATA;
    cpu.update_mode();
}

/// No devices and no interrupts.
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
