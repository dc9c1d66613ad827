//! The local APIC: priorities, the timer, IPIs, error status.

use super::*;

const EOI: u16 = 0x0b0;
const TPR: u16 = 0x080;
const PPR: u16 = 0x0a0;

fn enabled() -> Lapic {
    let mut lapic = Lapic::default();
    write(&mut lapic, 0x0f0, 0x1ff);
    lapic
}

fn write(lapic: &mut Lapic, offset: u16, value: u32) -> Effect {
    lapic.write(offset, 4, value, 0)
}

fn read(lapic: &mut Lapic, offset: u16) -> u32 {
    lapic.read(offset, 4, 0) as u32
}

fn fixed(vector: u8, is_level: bool) -> Message {
    Message { vector, mode: delivery::FIXED, is_level, destination: 0, is_logical: false }
}

#[test]
fn higher_class_nests_and_same_class_waits_for_eoi() {
    let mut lapic = enabled();
    assert!(lapic.deliver(fixed(0x41, false)));
    assert_eq!(lapic.acknowledge(), Some(0x41));
    lapic.deliver(fixed(0x4f, false));
    assert_eq!(lapic.deliverable(), None);
    lapic.deliver(fixed(0x80, false));
    assert_eq!(lapic.acknowledge(), Some(0x80));
    assert_eq!(read(&mut lapic, PPR), 0x80);
    assert_eq!(write(&mut lapic, EOI, 0), Effect::None);
    assert_eq!(read(&mut lapic, PPR), 0x40);
    assert_eq!(lapic.deliverable(), None);
    write(&mut lapic, EOI, 0);
    assert_eq!(lapic.acknowledge(), Some(0x4f));
}

#[test]
fn task_priority_holds_its_class_back() {
    let mut lapic = enabled();
    lapic.deliver(fixed(0x55, false));
    write(&mut lapic, TPR, 0x50);
    assert_eq!(lapic.deliverable(), None);
    assert_eq!(lapic.task_priority_class(), 5);
    lapic.set_task_priority_class(4);
    assert_eq!(read(&mut lapic, TPR), 0x40);
    assert_eq!(lapic.deliverable(), Some(0x55));
}

#[test]
fn only_level_triggered_interrupts_are_broadcast_at_their_end() {
    let mut lapic = enabled();
    lapic.deliver(fixed(0x61, true));
    assert_eq!(read(&mut lapic, 0x1b0), 1 << 1);
    lapic.acknowledge();
    assert_eq!(write(&mut lapic, EOI, 0), Effect::EndOfInterrupt(0x61));
    lapic.deliver(fixed(0x61, false));
    lapic.acknowledge();
    assert_eq!(write(&mut lapic, EOI, 0), Effect::None);
    assert_eq!(write(&mut lapic, EOI, 0), Effect::None);
}

#[test]
fn request_and_service_registers_show_each_vector() {
    let mut lapic = enabled();
    lapic.deliver(fixed(0xef, false));
    assert_eq!(read(&mut lapic, 0x270), 1 << 15);
    lapic.acknowledge();
    assert_eq!((read(&mut lapic, 0x270), read(&mut lapic, 0x170)), (0, 1 << 15));
}

#[test]
fn one_shot_timer_fires_once_at_the_crystal_rate() {
    let mut lapic = enabled();
    lapic.write(0x3e0, 4, 0x3, 0);
    lapic.write(0x320, 4, 0x30, 0);
    lapic.write(0x380, 4, 1000, 500);
    // 25 MHz divided by 16: 640 ns a step.
    assert_eq!(lapic.next_event(), Some(500 + 640_000));
    assert_eq!(lapic.read(0x390, 4, 500 + 6400), 990);
    lapic.advance(500 + 639_999);
    assert_eq!(lapic.deliverable(), None);
    lapic.advance(500 + 640_000);
    assert_eq!(lapic.deliverable(), Some(0x30));
    assert_eq!(lapic.next_event(), None);
    assert_eq!(lapic.read(0x390, 4, 900_000), 0);
}

#[test]
fn periodic_timer_keeps_its_phase() {
    let mut lapic = enabled();
    lapic.write(0x3e0, 4, 0xb, 0);
    lapic.write(0x320, 4, 0x2_0030, 0);
    lapic.write(0x380, 4, 25, 0);
    for period in 1..5 {
        let at = period * 1000;
        assert_eq!(lapic.next_event(), Some(at));
        lapic.advance(at);
        assert_eq!(lapic.acknowledge(), Some(0x30));
        lapic.write(EOI, 4, 0, at + 3);
    }
    lapic.write(0x380, 4, 0, 4500);
    assert_eq!(lapic.next_event(), None);
}

#[test]
fn masked_timer_counts_without_events() {
    let mut lapic = enabled();
    lapic.write(0x3e0, 4, 0xb, 0);
    lapic.write(0x320, 4, 0x3_0030, 0);
    lapic.write(0x380, 4, 25, 0);
    assert_eq!(lapic.next_event(), None);
    assert_eq!(lapic.read(0x390, 4, 10_400), 15);
    assert_eq!(lapic.deliverable(), None);
    lapic.write(0x320, 4, 0x2_0030, 10_500);
    assert_eq!(lapic.next_event(), Some(11_000));
}

#[test]
fn every_divisor_is_known() {
    for (code, divisor) in [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)] {
        let mut lapic = enabled();
        lapic.write(0x320, 4, 0x30, 0);
        lapic.write(0x3e0, 4, code, 0);
        lapic.write(0x380, 4, 1, 0);
        assert_eq!(lapic.next_event(), Some(40 * divisor));
    }
}

#[test]
fn tsc_deadline_mode_is_not_offered() {
    let mut lapic = enabled();
    write(&mut lapic, 0x320, 0x4_0030);
    assert_eq!(read(&mut lapic, 0x320), 0x30);
}

#[test]
fn software_disabled_apic_masks_its_table_and_passes_the_8259() {
    let mut lapic = Lapic::default();
    assert!(lapic.passes_external());
    write(&mut lapic, 0x350, 0x700);
    assert_eq!(read(&mut lapic, 0x350), 0x1_0700);
    assert!(!lapic.deliver(fixed(0x40, false)));
    write(&mut lapic, 0x0f0, 0x1ff);
    assert!(!lapic.passes_external());
    write(&mut lapic, 0x350, 0x700);
    assert!(lapic.passes_external());
    write(&mut lapic, 0x0f0, 0xff);
    assert_eq!(read(&mut lapic, 0x350), 0x1_0700);
}

#[test]
fn lint0_fixed_edge_and_level_raise_their_vector() {
    let mut lapic = enabled();
    write(&mut lapic, 0x350, 0x0_0044);
    lapic.set_lint0(true);
    assert_eq!(lapic.acknowledge(), Some(0x44));
    write(&mut lapic, EOI, 0);
    assert_eq!(lapic.deliverable(), None);
    write(&mut lapic, 0x350, 0x0_8044);
    assert_eq!(lapic.acknowledge(), Some(0x44));
    assert_eq!(read(&mut lapic, 0x350) & REMOTE_IRR, REMOTE_IRR);
    write(&mut lapic, EOI, 0);
    assert_eq!(lapic.deliverable(), Some(0x44));
}

#[test]
fn lint_in_nmi_mode_raises_an_nmi_once() {
    let mut lapic = enabled();
    write(&mut lapic, 0x360, 0x400);
    lapic.set_lint1(true);
    assert!(lapic.take_nmi());
    lapic.set_lint1(true);
    assert!(!lapic.take_nmi());
}

#[test]
fn self_ipis_arrive_and_foreign_ones_do_not() {
    let mut lapic = enabled();
    write(&mut lapic, 0x300, 0x4_00f0);
    assert_eq!(lapic.acknowledge(), Some(0xf0));
    write(&mut lapic, EOI, 0);
    write(&mut lapic, 0x300, 0x8_00f1);
    assert_eq!(lapic.acknowledge(), Some(0xf1));
    write(&mut lapic, EOI, 0);
    write(&mut lapic, 0x300, 0xc_00f2);
    write(&mut lapic, 0x310, 5 << 24);
    write(&mut lapic, 0x300, 0x0_00f3);
    assert_eq!(lapic.deliverable(), None);
    write(&mut lapic, 0x310, 0);
    write(&mut lapic, 0x300, 0x0_0400);
    assert!(lapic.take_nmi());
    assert_eq!(write(&mut lapic, 0x300, 0x0_4500), Effect::Ignored(delivery::INIT));
    assert_eq!(write(&mut lapic, 0x300, 0x0_0608), Effect::Ignored(delivery::STARTUP));
    assert_eq!(read(&mut lapic, 0x300) & 1 << 12, 0);
}

#[test]
fn logical_destinations_follow_the_format() {
    let mut lapic = enabled();
    let to = |destination| Message { vector: 0x50, mode: 0, is_level: false, destination, is_logical: true };
    write(&mut lapic, 0x0d0, 0x0100_0000);
    assert!(lapic.deliver(to(0x01)));
    assert!(!lapic.deliver(to(0x02)));
    write(&mut lapic, 0x0e0, 0x0fff_ffff);
    write(&mut lapic, 0x0d0, 0x2100_0000);
    assert!(lapic.deliver(to(0x23)));
    assert!(!lapic.deliver(to(0x11)));
    assert!(lapic.deliver(to(0xff)));
}

#[test]
fn illegal_vectors_and_registers_are_reported() {
    let mut lapic = enabled();
    write(&mut lapic, 0x370, 0xfe);
    write(&mut lapic, 0x300, 0x4_0005);
    assert_eq!(lapic.acknowledge(), Some(0xfe));
    lapic.deliver(fixed(3, false));
    assert_eq!(read(&mut lapic, 0x280), 0);
    write(&mut lapic, 0x280, 0);
    assert_eq!(read(&mut lapic, 0x280), error::SEND_ILLEGAL_VECTOR | error::RECEIVED_ILLEGAL_VECTOR);
    read(&mut lapic, 0x040);
    write(&mut lapic, 0x280, 0);
    assert_eq!(read(&mut lapic, 0x280), error::ILLEGAL_REGISTER);
}

#[test]
fn base_refuses_x2apic_and_reserved_bits_and_relocates() {
    let mut lapic = enabled();
    assert!(!lapic.set_base(DEFAULT_BASE | 0xd00));
    assert!(!lapic.set_base(DEFAULT_BASE | 0x801));
    assert!(!lapic.set_base(1 << 40 | 0x900));
    assert!(lapic.set_base(0x1234_5000 | 0x900));
    assert_eq!(lapic.claims(0x1234_5080), Some(0x080));
    assert_eq!(lapic.claims(DEFAULT_BASE), None);
    assert!(lapic.set_base(0x1234_5000 | 0x100));
    assert_eq!(lapic.claims(0x1234_5080), None);
    assert!(lapic.passes_external());
    assert!(lapic.set_base(DEFAULT_BASE | 0x900));
    assert_eq!(read(&mut lapic, 0x0f0), 0xff);
}

#[test]
fn registers_can_be_read_in_bytes() {
    let mut lapic = enabled();
    assert_eq!(lapic.read(0x032, 1, 0), 0x05);
    assert_eq!(lapic.read(0x030, 8, 0), 0x0005_0014);
    assert_eq!(lapic.read(0x03e, 4, 0), 0);
}

#[test]
fn restored_apic_saves_to_equal_bytes() {
    let mut lapic = enabled();
    lapic.write(0x320, 4, 0x2_0030, 0);
    lapic.write(0x380, 4, 12_345, 77);
    lapic.deliver(fixed(0x91, true));
    lapic.acknowledge();
    lapic.deliver(fixed(0x33, false));
    let bytes = postcard::to_stdvec(&lapic).expect("plain data");
    let back: Lapic = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(back, lapic);
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
}
