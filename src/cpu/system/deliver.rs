//! Delivery of exceptions and interrupts, and what happens when the delivery itself faults.
//!
//! ```text
//! fault, interrupt --> gate --+--> handler
//!                       ^     |
//!                       |     +--> a second fault --> (benign | double fault | shutdown)   SDM vol. 3, table 6-5
//!                       +------------------------------+
//! ```
//! The gates themselves are in `gate`. A delivery runs between instructions: it may touch anything.

use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Pending, Stop, vector};
use crate::cpu::flags::bit;
use crate::cpu::tap::{Gate, What};

/// A fault during the delivery of a double fault: the processor stops until reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown;

/// What brought an event about; decides the privilege check of the gate, EXT, and RF in the saved flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A fault: the saved RIP is the instruction's, RF is saved as 1.
    Fault,
    /// A trap, or a breakpoint that was hit before its instruction ran.
    Trap,
    /// An interrupt from outside, or NMI.
    External,
    /// INT n, INT3 or INTO: the gate's privilege level is checked, EXT stays clear.
    Software,
    /// INT1: like a trap, made by software.
    Icebp,
}

/// One event on its way through a gate. The saved RIP is `Cpu::rip`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub vector: u8,
    pub code: Option<u32>,
    pub source: Source,
}

impl Event {
    fn exception(f: Fault) -> Event {
        let is_trap = matches!(f.vector, vector::BP | vector::OF);
        Event { vector: f.vector, code: f.code, source: if is_trap { Source::Trap } else { Source::Fault } }
    }
    /// RFLAGS as the handler finds it on its stack.
    pub fn saved_flags(&self, cpu: &Cpu) -> u64 {
        cpu.rflags() | if self.source == Source::Fault { bit::RF } else { 0 }
    }
    /// As a tap is shown it.
    fn seen(&self, before: Interrupted, cr2: Option<u64>) -> What {
        What::Delivery {
            vector: self.vector,
            error: self.code,
            address: cr2.filter(|_| self.vector == vector::PF && self.is_exception()),
            is_external: self.source == Source::External,
            is_software: self.source == Source::Software,
            rip: before.rip,
            from_user: before.from_user,
        }
    }
    fn is_exception(&self) -> bool {
        matches!(self.source, Source::Fault | Source::Trap)
    }
}

/// What an event interrupts.
#[derive(Clone, Copy)]
struct Interrupted {
    rip: u64,
    from_user: bool,
}

impl Interrupted {
    fn of(cpu: &Cpu) -> Interrupted {
        Interrupted { rip: cpu.rip, from_user: cpu.state.cpl == 3 }
    }
}

/// The vector of the old system calls of 32-bit Linux programs.
const LINUX_I386: u8 = 0x80;

/// The severity of an exception (SDM vol. 3, table 6-4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

fn severity(event: &Event) -> Severity {
    match event.vector {
        _ if !event.is_exception() => Severity::Benign,
        vector::DE | vector::TS..=vector::GP => Severity::Contributory,
        vector::PF => Severity::PageFault,
        vector::DF => Severity::DoubleFault,
        _ => Severity::Benign,
    }
}

/// What is delivered after `second` arose from the delivery of `first` (SDM vol. 3, table 6-5).
fn combine(first: &Event, second: Fault) -> Result<Event, Shutdown> {
    let next = Event::exception(with_ext(first, second));
    match (severity(first), severity(&next)) {
        (_, Severity::Benign) | (Severity::Benign, _) | (Severity::Contributory, Severity::PageFault) => Ok(next),
        (Severity::DoubleFault, _) => Err(Shutdown),
        _ => Ok(Event { vector: vector::DF, code: Some(0), source: Source::Fault }),
    }
}

/// Error codes say whether the event that was being delivered came from outside the program (SDM vol. 3, 6.13).
fn with_ext(first: &Event, mut second: Fault) -> Fault {
    let has_ext = matches!(second.vector, vector::TS..=vector::GP | vector::AC);
    if has_ext && first.source != Source::Software {
        second.code = second.code.map(|c| c | 1);
    }
    second
}

impl Cpu {
    /// Delivers a fault. `rip` is the address of the instruction that faulted; CR2 is set for a page fault.
    pub(crate) fn deliver_fault(&mut self, fault: Fault) -> Result<(), Shutdown> {
        self.note_fault(&fault);
        self.deliver(Event::exception(fault))
    }
    /// Delivers a maskable interrupt. `rip` is where the program is to go on.
    pub(crate) fn deliver_interrupt(&mut self, vector: u8) -> Result<(), Shutdown> {
        self.deliver(Event { vector, code: None, source: Source::External })
    }
    /// Delivers a non-maskable interrupt and blocks further ones until IRET. The caller holds NMIs back while
    /// `State::nmi_blocked` is set.
    pub(crate) fn deliver_nmi(&mut self) -> Result<(), Shutdown> {
        self.state.nmi_blocked = true;
        self.deliver(Event { vector: vector::NMI, code: None, source: Source::External })
    }
    /// Delivers the #DB for the conditions in `State::debug_pending`, after the instruction that met them.
    pub(crate) fn deliver_debug_trap(&mut self) -> Result<(), Shutdown> {
        let conditions = std::mem::take(&mut self.state.debug_pending);
        self.state.dr[6] = self.state.dr[6] & !0xf | conditions;
        self.deliver(Event { vector: vector::DB, code: None, source: Source::Trap })
    }
    /// Delivers the #DB of a breakpoint on the instruction at `rip`: a fault by its address, but its saved RF is
    /// clear as a trap's is (SDM vol. 3, 18.3.1.1).
    pub(crate) fn deliver_debug_fault(&mut self) -> Result<(), Shutdown> {
        self.deliver_debug_trap()
    }
    /// Runs INT n, INT3, INTO or INT1 from inside the instruction. A task gate may end in a fault of the new task.
    pub(super) fn software_interrupt(&mut self, vector: u8, source: Source) -> Result<(), Stop> {
        let event = Event { vector, code: None, source };
        let before = Interrupted::of(self);
        if let Err(stop) = self.interrupt(&event).and_then(|landed| self.land(landed)) {
            if let Pending::Fault(f) = self.pending {
                self.pending = Pending::Fault(with_ext(&event, f));
            }
            return Err(stop);
        }
        // The gate cleared TF before the trap of this instruction could be taken.
        self.is_step_hidden = true;
        self.tap_delivery(true, || event.seen(before, None));
        if vector == LINUX_I386 && self.state.cpl != 3 {
            self.tap_syscall(if before.from_user { 3 } else { 0 }, Gate::Interrupt, before.rip);
        }
        Ok(())
    }
    /// Ends an instruction that switched tasks: a fault found after the switch belongs to the new task.
    pub(super) fn land(&mut self, fault_of_new_task: Option<Fault>) -> Result<(), Stop> {
        let Some(fault) = fault_of_new_task else { return Ok(()) };
        self.note_fault(&fault);
        if self.deliver_inside(Event::exception(fault), true).is_err() {
            // The double fault could not be delivered in this state and will fail again, which stops the machine.
            return self.fault(Fault { vector: vector::DF, code: Some(0), address: None });
        }
        Ok(())
    }
    fn deliver(&mut self, first: Event) -> Result<(), Shutdown> {
        self.deliver_inside(first, false)
    }
    /// With `is_inside`, as part of the running instruction.
    fn deliver_inside(&mut self, first: Event, is_inside: bool) -> Result<(), Shutdown> {
        let before = Interrupted::of(self);
        let was_alone = std::mem::replace(&mut self.is_alone, true);
        let outcome = self.deliver_until_accepted(first);
        self.is_alone = was_alone;
        self.pending = Pending::Nothing;
        // What the delivery read and pushed, also where another one took its place.
        self.tap_between(self.icount().saturating_sub(is_inside.into()));
        let event = outcome?;
        let cr2 = self.state.cr2;
        self.tap_delivery(is_inside, || event.seen(before, Some(cr2)));
        Ok(())
    }
    fn deliver_until_accepted(&mut self, first: Event) -> Result<Event, Shutdown> {
        let mut event = first;
        loop {
            let second = match self.interrupt(&event) {
                Ok(None) => break,
                Ok(Some(fault)) => fault,
                Err(Stop) => self.take_fault(),
            };
            self.note_fault(&second);
            event = combine(&event, second)?;
        }
        if event.vector == vector::DB && event.source != Source::External {
            self.general_detect_off();
        }
        let s = &mut self.state;
        (s.is_halted, s.interrupt_shadow, s.debug_shadow) = (false, false, false);
        Ok(event)
    }
    /// CR2 takes the address as soon as the page fault is found, even if a double fault replaces it.
    fn note_fault(&mut self, fault: &Fault) {
        if let Some(address) = fault.address {
            self.state.cr2 = address;
        }
    }
    /// The fault that the last refused step left behind.
    pub(super) fn take_fault(&mut self) -> Fault {
        match std::mem::take(&mut self.pending) {
            Pending::Fault(fault) => fault,
            other => unreachable!("an event delivery stands alone, so only a fault can stop it, not {other:?}"),
        }
    }
}
