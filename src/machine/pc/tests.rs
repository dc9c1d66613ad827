//! The board as a guest drives it: routing, timers, exits, saving.

use super::ports::{DEBUG_EXIT_PORT, PROGRAM_STATUS_PORT, RESET_PORT};
use super::*;
use crate::cpu::bus::Bus;
use proptest::prelude::*;

const LAPIC: u64 = 0xfee0_0000;
const IOAPIC: u64 = 0xfec0_0000;

fn board() -> Pc {
    Pc::new(PcConfig { unix_start: 1_700_000_000, ram: RamSize { below_4g: 256 << 20, above_4g: 0 } })
}

/// The 8259 pair at vectors 0x20 and 0x28, every line unmasked.
fn with_8259() -> Pc {
    let mut pc = board();
    for (port, value) in
        [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1)]
    {
        pc.port_write(port, 1, value, 0);
    }
    pc
}

/// The local APIC on, the 8259 masked.
fn with_apic() -> Pc {
    let mut pc = board();
    pc.port_write(0x21, 1, 0xff, 0);
    pc.port_write(0xa1, 1, 0xff, 0);
    pc.mmio_write(LAPIC + 0xf0, 4, 0x1ff, 0);
    pc
}

fn redirect(pc: &mut Pc, pin: u64, low: u64, now: u64) {
    pc.mmio_write(IOAPIC, 4, 0x10 + 2 * pin, now);
    pc.mmio_write(IOAPIC + 0x10, 4, low, now);
}

/// The PIT's counter 0 in mode 2 with a count of 1193 (about a millisecond).
fn start_tick(pc: &mut Pc) {
    pc.port_write(0x43, 1, 0x34, 0);
    pc.port_write(0x40, 1, 0xa9, 0);
    pc.port_write(0x40, 1, 0x04, 0);
}

fn bytes_of(pc: &Pc) -> Vec<u8> {
    postcard::to_stdvec(&pc.save()).expect("plain data")
}

#[test]
fn timer_reaches_the_cpu_through_the_8259_without_any_apic() {
    let mut pc = with_8259();
    start_tick(&mut pc);
    let mut ticks = 0;
    while let Some(at) = pc.next_event_ns().filter(|&at| at < 10_000_000) {
        pc.advance(at);
        if pc.interrupt_pending() {
            assert_eq!(pc.acknowledge_interrupt(at), Some(0x20));
            assert!(!pc.interrupt_pending());
            pc.port_write(0x20, 1, 0x20, at);
            ticks += 1;
        }
    }
    assert_eq!(ticks, 10);
}

#[test]
fn timer_reaches_the_cpu_through_pin_2_of_the_ioapic() {
    let mut pc = with_apic();
    start_tick(&mut pc);
    redirect(&mut pc, 2, 0x31, 0);
    pc.advance(1_100_000);
    assert!(pc.interrupt_pending());
    assert_eq!(pc.acknowledge_interrupt(1_100_000), Some(0x31));
    assert_eq!(pc.acknowledge_interrupt(1_100_000), None);
}

#[test]
fn virtual_wire_passes_the_8259_through_lint0() {
    let mut pc = with_8259();
    pc.mmio_write(LAPIC + 0xf0, 4, 0x1ff, 0);
    start_tick(&mut pc);
    pc.advance(1_100_000);
    assert!(!pc.interrupt_pending());
    pc.mmio_write(LAPIC + 0x350, 4, 0x700, 1_100_000);
    assert!(pc.interrupt_pending());
    assert_eq!(pc.acknowledge_interrupt(1_100_000), Some(0x20));
}

#[test]
fn level_line_interrupts_again_until_its_device_is_served() {
    let mut pc = with_apic();
    redirect(&mut pc, 17, 0x8061, 0);
    pc.set_irq(17, true);
    assert_eq!(pc.acknowledge_interrupt(5), Some(0x61));
    assert!(!pc.interrupt_pending());
    pc.mmio_write(LAPIC + 0xb0, 4, 0, 6);
    assert_eq!(pc.acknowledge_interrupt(7), Some(0x61));
    pc.set_irq(17, false);
    pc.mmio_write(LAPIC + 0xb0, 4, 0, 8);
    assert!(!pc.interrupt_pending());
}

#[test]
fn level_line_that_came_before_the_apic_was_on_is_delivered_then() {
    let mut pc = board();
    pc.port_write(0x21, 1, 0xff, 0);
    redirect(&mut pc, 17, 0x8061, 0);
    pc.set_irq(17, true);
    assert!(!pc.interrupt_pending());
    pc.mmio_write(LAPIC + 0xf0, 4, 0x1ff, 0);
    assert!(pc.interrupt_pending());
}

#[test]
fn apic_timer_is_an_event_of_the_board() {
    let mut pc = with_apic();
    pc.mmio_write(LAPIC + 0x3e0, 4, 0xb, 0);
    pc.mmio_write(LAPIC + 0x320, 4, 0xec, 0);
    pc.mmio_write(LAPIC + 0x380, 4, 25_000, 1000);
    assert_eq!(pc.next_event_ns(), Some(1_001_000));
    pc.advance_halted(1_000_000);
    assert_eq!(pc.clock_ns(1000), 1_001_000);
    pc.advance(1_001_000);
    assert!(pc.interrupt_pending());
    pc.set_task_priority(0xe, 1000);
    assert!(!pc.interrupt_pending());
    assert_eq!(pc.mmio_read(LAPIC + 0x80, 4, 1000), 0xe0);
    pc.set_task_priority(0, 1000);
    assert_eq!(pc.acknowledge_interrupt(1000), Some(0xec));
}

#[test]
fn how_often_the_run_loop_calls_does_not_matter() {
    let run = |step: u64| {
        let mut pc = with_8259();
        start_tick(&mut pc);
        pc.port_write(0x70, 1, 0x0b, 0);
        pc.port_write(0x71, 1, 0x52, 0);
        let mut now = 0;
        while now < 3_000_000 {
            now += step;
            pc.advance(now);
        }
        bytes_of(&pc)
    };
    let expected = run(3_000_000);
    for step in [100, 1000, 30_000] {
        assert_eq!(run(step), expected);
    }
}

#[test]
fn console_echoes_and_input_interrupts() {
    let mut pc = with_8259();
    for (port, value) in [(0x3fc, 0x0b), (0x3fa, 0x07), (0x3f9, 0x01), (0x3f8, b'h'.into()), (0x3f8, b'i'.into())] {
        pc.port_write(port, 1, value, 0);
    }
    assert_eq!(pc.take_output(), b"hi");
    assert_eq!(pc.take_output(), b"");
    pc.serial_rx(b"x");
    assert_eq!(pc.acknowledge_interrupt(3), Some(0x24));
    assert_eq!(pc.port_read(0x3f8, 1, 4), u32::from(b'x'));
}

#[test]
fn every_way_to_stop_is_told_apart() {
    let cases: [(u16, u8, u32, PcExit); 7] = [
        (0x604, 2, 0x3400, PcExit::PowerOff),
        (0x605, 1, 0x34, PcExit::PowerOff),
        (0x64, 1, 0xfe, PcExit::Reset { how: ResetHow::Keyboard }),
        (0x92, 1, 0x01, PcExit::Reset { how: ResetHow::Port92 }),
        (RESET_PORT, 1, 0x06, PcExit::Reset { how: ResetHow::Cf9 }),
        (DEBUG_EXIT_PORT, 4, 0x1234_5678, PcExit::DebugExit { code: 0x1234_5678 }),
        (DEBUG_EXIT_PORT, 1, 0xffff_ff2a, PcExit::DebugExit { code: 0x2a }),
    ];
    for (port, size, value, exit) in cases {
        let mut pc = board();
        pc.port_write(port, size, value, 9);
        assert!(pc.stop_requested());
        assert_eq!(pc.take_exit(), Some(exit));
        assert!(!pc.stop_requested());
    }
}

#[test]
fn program_status_is_stored_by_a_whole_write_only() {
    let mut pc = board();
    pc.port_write(PROGRAM_STATUS_PORT, 1, 3, 0);
    assert_eq!(pc.program_status(), None);
    pc.port_write(PROGRAM_STATUS_PORT, 4, 0x100, 0);
    assert_eq!(pc.program_status(), Some(0x100));
}

#[test]
fn other_sleep_states_are_noticed_and_ignored() {
    let mut pc = board();
    pc.port_write(0x604, 2, 0x2400, 7);
    assert_eq!(pc.take_exit(), None);
    assert_eq!(pc.take_notices(), [Notice::IgnoredSleep { sleep_type: 1, at_ns: 7 }]);
}

#[test]
fn absent_hardware_reads_all_ones() {
    let mut pc = board();
    for port in [0x2f8, 0x3e8, 0x2e8, 0x3c0, 0x00, 0x87, 0xffff] {
        assert_eq!(pc.port_read(port, 1, 0), 0xff, "port {port:#x}");
    }
    pc.port_write(0xcf8, 4, 0x8000_0000, 0);
    assert_ne!(pc.port_read(0xcf8, 4, 0), 0x8000_0000);
    assert_eq!(pc.port_read(0xcfc, 4, 0), 0xffff_ffff);
    assert_eq!(pc.mmio_read(0xe000_0000, 8, 0), u64::MAX);
    assert_eq!(pc.mmio_read(0xfed0_0000, 4, 0), 0xffff_ffff);
}

#[test]
fn moved_or_disabled_apic_leaves_its_page() {
    let mut pc = board();
    assert_eq!(pc.apic_base(), 0xfee0_0900);
    assert!(!pc.set_apic_base(0xfee0_0d00, 0));
    assert!(pc.set_apic_base(0xfedd_0900, 0));
    assert_eq!(pc.mmio_read(0xfedd_0030, 4, 0), 0x0005_0014);
    assert_eq!(pc.mmio_read(LAPIC + 0x30, 4, 0), 0xffff_ffff);
}

#[test]
fn wide_access_to_byte_ports_is_split() {
    let mut pc = board();
    pc.port_write(0x70, 2, 0x550f, 0);
    assert_eq!(pc.port_read(0x71, 1, 0), 0x55);
}

#[test]
fn nmi_ipi_waits_until_taken() {
    let mut pc = with_apic();
    pc.mmio_write(LAPIC + 0x300, 4, 0x4_0400, 0);
    assert!(pc.nmi_pending() && !pc.interrupt_pending());
    assert!(pc.take_nmi());
    assert!(!pc.take_nmi());
}

#[test]
fn restored_board_keeps_input_that_waits() {
    let mut pc = board();
    pc.serial_rx(b"in the middle of something");
    let mut restored = Pc::restore(pc.save()).expect("saved just now");
    assert_eq!(bytes_of(&restored), bytes_of(&pc));
    let read: Vec<u8> = (0..26).map(|now| restored.port_read(0x3f8, 1, now) as u8).collect();
    assert_eq!(read, b"in the middle of something");
}

/// Something that happens to a board.
#[derive(Clone, Debug)]
enum Action {
    PortRead(u16, u8),
    PortWrite(u16, u8, u32),
    MmioRead(u64, u8),
    MmioWrite(u64, u8, u64),
    Acknowledge,
    Halt(u64),
    Run(u64),
    Receive(Vec<u8>),
    Line(u8, bool),
    TaskPriority(u8),
    ApicBase(u64),
    TakeNmi,
}

fn any_port() -> impl Strategy<Value = u16> {
    let known = vec![
        0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0x3f8, 0x3f9,
        0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x600, 0x602, 0x604, 0x608, 0xcf9, 0xcf8, 0xf4, 0x5e5, 0xffff,
    ];
    prop_oneof![9 => prop::sample::select(known), 1 => any::<u16>()]
}

fn any_gpa() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0u64..0x40).prop_map(|register| LAPIC + 16 * register),
        (0u64..0x1010).prop_map(|offset| LAPIC + offset),
        prop::sample::select(vec![IOAPIC, IOAPIC + 0x10, IOAPIC + 0x40]),
        any::<u64>(),
    ]
}

fn any_value() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..0x100, prop::sample::select(vec![0x1ff, 0x2_0040, 0x700, 0x8051]), any::<u32>()]
}

fn any_action() -> impl Strategy<Value = Action> {
    let port_size = || prop::sample::select(vec![1u8, 1, 1, 2, 4]);
    let mmio_size = || prop::sample::select(vec![4u8, 4, 4, 1, 2, 8]);
    prop_oneof![
        4 => (any_port(), port_size()).prop_map(|(port, size)| Action::PortRead(port, size)),
        8 => (any_port(), port_size(), any_value()).prop_map(|(port, size, value)| Action::PortWrite(port, size, value)),
        2 => (any_gpa(), mmio_size()).prop_map(|(gpa, size)| Action::MmioRead(gpa, size)),
        6 => (any_gpa(), mmio_size(), any_value()).prop_map(|(gpa, size, value)| Action::MmioWrite(gpa, size, value.into())),
        3 => Just(Action::Acknowledge),
        1 => (0u64..50_000).prop_map(Action::Halt),
        4 => (0u64..20_000).prop_map(Action::Run),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Action::Receive),
        2 => (0u8..26, any::<bool>()).prop_map(|(gsi, is_high)| Action::Line(gsi, is_high)),
        1 => (0u8..16).prop_map(Action::TaskPriority),
        1 => prop::sample::select(vec![LAPIC | 0x900, LAPIC | 0x100, LAPIC | 0xd00, 0x1000_0900]).prop_map(Action::ApicBase),
        1 => Just(Action::TakeNmi),
    ]
}

/// Does it, and returns what the CPU or the host edge would see.
fn perform(pc: &mut Pc, icount: &mut u64, action: &Action) -> (u64, bool, Option<u64>, Vec<u8>, Option<PcExit>) {
    *icount += 1;
    let now = *icount;
    let seen = match *action {
        Action::PortRead(port, size) => pc.port_read(port, size, now).into(),
        Action::PortWrite(port, size, value) => {
            pc.port_write(port, size, value, now);
            0
        }
        Action::MmioRead(gpa, size) => pc.mmio_read(gpa, size, now),
        Action::MmioWrite(gpa, size, value) => {
            pc.mmio_write(gpa, size, value, now);
            0
        }
        Action::Acknowledge => pc.acknowledge_interrupt(now).map_or(u64::MAX, u64::from),
        Action::Halt(ns) => {
            pc.advance_halted(ns);
            pc.advance(pc.clock_ns(now));
            pc.clock_ns(now)
        }
        Action::Run(count) => {
            *icount += count;
            pc.advance(pc.clock_ns(*icount));
            0
        }
        Action::Receive(ref bytes) => {
            pc.serial_rx(bytes);
            0
        }
        Action::Line(gsi, is_high) => {
            pc.set_irq(gsi, is_high);
            0
        }
        Action::TaskPriority(class) => {
            pc.set_task_priority(class, now);
            u64::from(pc.task_priority())
        }
        Action::ApicBase(base) => u64::from(pc.set_apic_base(base, now)),
        Action::TakeNmi => u64::from(pc.take_nmi()),
    };
    (seen, pc.interrupt_pending(), pc.next_event_ns(), pc.take_output(), pc.take_exit())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn restored_board_behaves_as_the_one_that_was_saved(actions in prop::collection::vec(any_action(), 1..120)) {
        let mut lasting = board();
        let mut renewed = board();
        let (mut lasting_icount, mut renewed_icount) = (0, 0);
        for action in &actions {
            let expected = perform(&mut lasting, &mut lasting_icount, action);
            // This one goes through bytes at every step.
            let bytes = bytes_of(&renewed);
            let state: PcState = postcard::from_bytes(&bytes).expect("written just now");
            renewed = Pc::restore(state).expect("saved just now");
            prop_assert_eq!(&bytes_of(&renewed), &bytes);
            prop_assert_eq!(perform(&mut renewed, &mut renewed_icount, action), expected);
            prop_assert_eq!(bytes_of(&renewed), bytes_of(&lasting));
        }
    }

    #[test]
    fn events_always_lie_ahead(actions in prop::collection::vec(any_action(), 1..120)) {
        let mut pc = board();
        let mut icount = 0;
        for action in &actions {
            perform(&mut pc, &mut icount, action);
            let now_ns = pc.clock_ns(icount);
            pc.advance(now_ns);
            prop_assert!(pc.next_event_ns().is_none_or(|at| at > now_ns));
            let polled = (pc.interrupt_pending(), pc.next_event_ns());
            pc.settle();
            prop_assert_eq!((pc.interrupt_pending(), pc.next_event_ns()), polled, "settled once is settled");
        }
    }
}
