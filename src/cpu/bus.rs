//! The world as the CPU sees it: ports, memory-mapped devices, the interrupt line and the clock.
//!
//! Nothing else reaches the CPU from outside. Every method gets the Moment at which the access happens,
//! so that a device never needs to ask what time it is.

/// What a CPU is wired to. RAM is not here: the CPU reaches it directly through [`super::phys::PhysMemory`].
///
/// `now` is the number of instructions retired before the one that makes the access.
pub trait Bus {
    /// Reads `size` (1, 2, 4 or 8) bytes of device memory at a guest-physical address; unclaimed addresses read all ones.
    fn mmio_read(&mut self, gpa: u64, size: u8, now: u64) -> u64;
    /// Writes the low `size` bytes of `value`; unclaimed addresses ignore it.
    fn mmio_write(&mut self, gpa: u64, size: u8, value: u64, now: u64);
    /// Reads `size` (1, 2 or 4) bytes from an I/O port; unclaimed ports read all ones.
    fn port_read(&mut self, port: u16, size: u8, now: u64) -> u32;
    /// Writes to an I/O port; unclaimed ports ignore it.
    fn port_write(&mut self, port: u16, size: u8, value: u32, now: u64);
    /// True while an unmasked maskable interrupt waits for the CPU (the INTR line, local APIC and 8259 together).
    fn interrupt_pending(&self) -> bool;
    /// Acknowledges the waiting interrupt of highest priority and returns its vector.
    fn acknowledge_interrupt(&mut self, now: u64) -> Option<u8>;
    /// Takes the waiting non-maskable interrupt, if there is one.
    fn take_nmi(&mut self) -> bool;
    /// True when the machine wants the CPU to stop after this instruction: the run has ended (power-off, reset, debug
    /// exit), or the next timer event is no longer the one that the run's limit was made for.
    fn stop_requested(&self) -> bool;
    /// Virtual nanoseconds since power-on: instructions retired plus the time the CPU spent halted.
    fn clock_ns(&self, now: u64) -> u64;
    /// What the guest has sent to its first serial port and nobody has taken yet. For an observer; the CPU does not look.
    fn console(&self) -> &[u8] {
        &[]
    }
    /// The local APIC's task priority class, as CR8 shows it (0..=15).
    fn task_priority(&self) -> u8;
    /// Sets the task priority class (MOV CR8).
    fn set_task_priority(&mut self, class: u8, now: u64);
    /// IA32_APIC_BASE (MSR 0x1B).
    fn apic_base(&self) -> u64;
    /// Sets IA32_APIC_BASE; false refuses a reserved bit or an unsupported mode, which becomes #GP(0).
    fn set_apic_base(&mut self, value: u64, now: u64) -> bool;
}
