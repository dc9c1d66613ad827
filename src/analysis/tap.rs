//! Between the engine's taps and plugins: what happened becomes events, and each goes to those who want it.

use super::kernel::Kernel;
use super::scene::{At, Loaded};
use crate::cpu::Cpu;
use crate::cpu::state::gpr;
use crate::cpu::tap::{Bytes, Front, Gate, Seen, Tap, Wanted, What};
use crate::replay::travel::Cancel;
use reenact_plugin::{Abi, ErasedSlice, Event, MemoryRange, Notes, Rows, Scene, Value, Wants, Whose};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where the kernel switches threads: RDI is the one that stops, RSI the one that goes on.
const SWITCH: &str = "__switch_to_asm";
/// Notes that are passed on together.
const TOGETHER: usize = 8192;
/// Events between two looks at how many notes there are.
const OFTEN: u32 = 64;

/// Who wants what: analyses by their numbers.
#[derive(Default)]
pub struct Subscribers {
    syscalls: Vec<usize>,
    user_returns: Vec<usize>,
    interrupts: Vec<usize>,
    blocks: Vec<usize>,
    instructions: Vec<usize>,
    reads: Vec<(usize, Vec<Span>)>,
    writes: Vec<(usize, Vec<Span>)>,
    ports: Vec<usize>,
    mmio: Vec<usize>,
    console: Vec<usize>,
    idle: Vec<usize>,
    /// By the address of the instruction: the analysis, and the number of the function; none for a switch.
    executed: BTreeMap<u64, Vec<(usize, Option<usize>)>>,
}

impl Subscribers {
    /// From what each analysis wants. Functions are those of the kernel.
    pub fn new<'w>(wants: impl Iterator<Item = (usize, &'w Wants)>, kernel: Option<&Kernel>) -> Subscribers {
        let mut all = Subscribers::default();
        let address = |name: &str| kernel.and_then(|k| k.profile.symbols.address(name));
        for (number, wants) in wants {
            let lists = [
                (wants.syscalls, &mut all.syscalls),
                (wants.user_returns, &mut all.user_returns),
                (wants.interrupts, &mut all.interrupts),
                (wants.blocks, &mut all.blocks),
                (wants.instructions, &mut all.instructions),
                (wants.ports, &mut all.ports),
                (wants.mmio, &mut all.mmio),
                (wants.console, &mut all.console),
                (wants.idle, &mut all.idle),
            ];
            lists.into_iter().filter(|(is_wanted, _)| *is_wanted).for_each(|(_, list)| list.push(number));
            for (ranges, list) in [(&wants.reads, &mut all.reads), (&wants.writes, &mut all.writes)] {
                if !ranges.is_empty() {
                    list.push((number, ranges.iter().map(|&r| Span(r)).collect()));
                }
            }
            if let Some(at) = address(SWITCH).filter(|_| wants.switches) {
                all.executed.entry(at).or_default().push((number, None));
            }
            for (index, name) in wants.functions.iter().enumerate() {
                if let Some(at) = address(name) {
                    all.executed.entry(at).or_default().push((number, Some(index)));
                }
            }
        }
        all
    }
    /// As the engine is told.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            syscalls: !self.syscalls.is_empty(),
            user_returns: !self.user_returns.is_empty(),
            deliveries: !self.interrupts.is_empty(),
            executed: self.executed.keys().copied().collect(),
            blocks: !self.blocks.is_empty(),
            begun: !self.instructions.is_empty(),
            reads: bytes(&self.reads),
            writes: bytes(&self.writes),
            ports: !self.ports.is_empty(),
            mmio: !self.mmio.is_empty(),
            console: !self.console.is_empty(),
            idle: !self.idle.is_empty(),
        }
    }
}

/// A range of one analysis.
#[derive(Clone, Copy)]
struct Span(MemoryRange);

impl Span {
    fn has(self, linear: Option<u64>, physical: u64, size: u8) -> bool {
        let at = match self.0.whose {
            Whose::Linear => linear,
            Whose::Physical => Some(physical),
        };
        at.is_some_and(|at| at <= self.0.last && at.saturating_add(u64::from(size) - 1) >= self.0.from)
    }
}

/// As the engine is told.
fn bytes(all: &[(usize, Vec<Span>)]) -> Vec<Bytes> {
    let of = |Span(r): &Span| Bytes { is_linear: r.whose == Whose::Linear, from: r.from, last: r.last };
    all.iter().flat_map(|(_, ranges)| ranges.iter().map(of)).collect()
}

/// Takes rows of one plugin, whose tables are not the first of all.
pub struct From<'a> {
    pub rows: &'a mut dyn Rows,
    /// Tables of the plugins before it.
    pub first: usize,
}

impl Rows for From<'_> {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        self.rows.push(self.first + table, row);
    }
}

/// One analysis in one slice.
pub struct Listener<'a> {
    /// Its tables begin behind those of the ones before it.
    pub first_table: usize,
    pub slice: Box<dyn ErasedSlice + 'a>,
    /// Events shown.
    pub seen: u32,
}

/// Passes notes on; false when nobody takes them any more.
pub type Pass<'a> = dyn FnMut(usize, Notes) -> bool + 'a;

/// Where events go in one slice.
pub struct Outlet<'a> {
    /// By number; none for those that do not listen here.
    pub listeners: Vec<Option<Listener<'a>>>,
    pub rows: &'a mut dyn Rows,
    pub pass: &'a mut Pass<'a>,
    /// Nobody takes notes any more.
    pub is_over: bool,
    /// Asked to stop the run when an analysis panics.
    pub stop: &'a Cancel,
    /// What an analysis panicked with.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Outlet<'_> {
    #[inline]
    fn show(&mut self, number: usize, event: &Event, scene: &dyn Scene) {
        let Some(Some(listener)) = self.listeners.get_mut(number) else { return };
        listener.slice.see(event, scene, &mut From { rows: &mut *self.rows, first: listener.first_table });
        listener.seen = listener.seen.wrapping_add(1);
        if listener.seen.is_multiple_of(OFTEN) && listener.slice.waiting() >= TOGETHER {
            let notes = listener.slice.take();
            self.is_over |= !(self.pass)(number, notes);
        }
    }
    fn show_all(&mut self, numbers: &[usize], event: &Event, scene: &dyn Scene) {
        for &number in numbers {
            self.show(number, event, scene);
        }
    }
}

/// What listens in one slice, and what it can look at.
pub struct Fan<'a> {
    pub subscribers: &'a Subscribers,
    pub kernel: Result<&'a Kernel, &'a str>,
    pub loaded: Loaded,
    pub outlet: Outlet<'a>,
}

impl Fan<'_> {
    /// Ends the slice, with the machine at its end.
    pub fn finish(self, cpu: &Cpu) {
        let scene = At::new(cpu, None, self.kernel, &self.loaded);
        let mut outlet = self.outlet;
        for (number, listener) in outlet.listeners.into_iter().enumerate() {
            let Some(listener) = listener else { continue };
            let rows = &mut From { rows: &mut *outlet.rows, first: listener.first_table };
            let notes = listener.slice.finish(&scene, rows);
            if !outlet.is_over {
                outlet.is_over = !(outlet.pass)(number, notes);
            }
        }
    }
}

impl Tap for Fan<'_> {
    fn see(&mut self, cpu: &Cpu, seen: &Seen) {
        if self.outlet.is_over {
            return;
        }
        // The frames below are handlers and generated code, which cannot be unwound.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.hand_out(cpu, seen))) {
            self.outlet.is_over = true;
            self.outlet.panic = Some(panic);
            self.outlet.stop.request();
        }
    }
}

impl Fan<'_> {
    fn hand_out(&mut self, cpu: &Cpu, seen: &Seen) {
        let Fan { subscribers, kernel, loaded, outlet } = self;
        let scene = &At::new(cpu, Some(seen), *kernel, loaded);
        match seen.what {
            What::Syscall { gate, return_to } => {
                outlet.show_all(&subscribers.syscalls, &syscall(cpu, gate, return_to), scene);
            }
            What::UserReturn => outlet.show_all(&subscribers.user_returns, &Event::UserReturn, scene),
            What::Delivery { vector, error, address, is_external, is_software, rip, from_user } => {
                let event = Event::Interrupt { vector, error, address, is_external, is_software, rip, from_user };
                outlet.show_all(&subscribers.interrupts, &event, scene);
            }
            What::Executed { at } => {
                // Other code may run at this address when the kernel does not.
                if let Some(front) = seen.front.filter(|f| f.cpl == 0 && kernel.is_ok_and(|k| k.runs_on(cpu))) {
                    executed(subscribers, outlet, at, front, scene);
                }
            }
            What::Console { from } => {
                let bytes = cpu.console().get(from..).unwrap_or_default();
                outlet.show_all(&subscribers.console, &Event::Console { bytes }, scene);
            }
            What::Block { from, to } => outlet.show_all(&subscribers.blocks, &Event::Block { from, to }, scene),
            What::Begun { at } => outlet.show_all(&subscribers.instructions, &Event::Instruction { at }, scene),
            What::Memory { linear, physical, size, is_write, old, new } => {
                let event = Event::Memory { linear, physical, size, is_write, old, new };
                let list = if is_write { &subscribers.writes } else { &subscribers.reads };
                for &(number, ref ranges) in list {
                    if ranges.iter().any(|r| r.has(linear, physical, size)) {
                        outlet.show(number, &event, scene);
                    }
                }
            }
            What::Port { port, size, is_write, value } => {
                outlet.show_all(&subscribers.ports, &Event::Port { port, size, is_write, value }, scene);
            }
            What::Mmio { physical, size, is_write, value } => {
                outlet.show_all(&subscribers.mmio, &Event::Mmio { physical, size, is_write, value }, scene);
            }
            What::Idle { until_ns } => outlet.show_all(&subscribers.idle, &Event::Idle { until_ns }, scene),
        }
    }
}

fn executed(subscribers: &Subscribers, outlet: &mut Outlet, at: u64, front: &Front, scene: &dyn Scene) {
    let switch = Event::Switch { from: front.regs[gpr::RDI], to: front.regs[gpr::RSI] };
    for &(number, function) in subscribers.executed.get(&at).into_iter().flatten() {
        let event = function.map_or(switch, |index| Event::Function { index });
        outlet.show(number, &event, scene);
    }
}

fn syscall(cpu: &Cpu, gate: Gate, return_to: u64) -> Event<'static> {
    let of = |registers: [usize; 6], mask: u64| registers.map(|r| cpu.regs[r] & mask);
    let (abi, arguments) = match gate {
        Gate::Syscall => (Abi::X86_64, of([gpr::RDI, gpr::RSI, gpr::RDX, 10, 8, 9], u64::MAX)),
        _ => (Abi::I386, of([gpr::RBX, gpr::RCX, gpr::RDX, gpr::RSI, gpr::RDI, gpr::RBP], 0xffff_ffff)),
    };
    Event::Syscall { abi, number: cpu.regs[gpr::RAX] as u32, arguments, return_to }
}
