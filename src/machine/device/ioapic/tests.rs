//! The I/O APIC: edge and level entries, remote IRR.

use super::*;

fn set_entry(ioapic: &mut Ioapic, pin: u8, low: u32) {
    ioapic.write(0x00, u32::from(0x10 + 2 * pin));
    ioapic.write(0x10, low);
}

fn entry(ioapic: &mut Ioapic, pin: u8) -> u32 {
    ioapic.write(0x00, u32::from(0x10 + 2 * pin));
    ioapic.read(0x10)
}

#[test]
fn version_and_identification_are_told() {
    let mut ioapic = Ioapic::default();
    ioapic.write(0x00, 1);
    assert_eq!(ioapic.read(0x10), 0x0017_0020);
    ioapic.write(0x00, 0);
    ioapic.write(0x10, 0x0700_0000);
    assert_eq!(ioapic.read(0x10), 0x0700_0000);
    assert_eq!(entry(&mut ioapic, 23), 0x1_0000);
    ioapic.write(0x00, 0x40);
    assert_eq!(ioapic.read(0x10), 0);
}

#[test]
fn edge_sends_once_for_each_rise() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 4, 0x34);
    ioapic.set_line(4, true);
    assert_eq!(ioapic.message(4).map(|m| (m.vector, m.is_level)), Some((0x34, false)));
    ioapic.sent(4, true);
    ioapic.set_line(4, true);
    assert_eq!(ioapic.message(4), None);
    ioapic.set_line(4, false);
    ioapic.set_line(4, true);
    assert!(ioapic.message(4).is_some());
}

#[test]
fn edge_on_a_masked_pin_is_lost() {
    let mut ioapic = Ioapic::default();
    ioapic.set_line(4, true);
    set_entry(&mut ioapic, 4, 0x34);
    assert_eq!(ioapic.message(4), None);
}

#[test]
fn level_is_sent_again_after_the_end_of_interrupt_while_it_stays_high() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 9, 0x8039);
    ioapic.set_line(9, true);
    assert!(ioapic.message(9).is_some());
    ioapic.sent(9, true);
    assert_eq!(entry(&mut ioapic, 9), 0xc039);
    assert_eq!(ioapic.message(9), None);
    ioapic.end_of_interrupt(0x38);
    assert_eq!(ioapic.message(9), None);
    ioapic.write(0x40, 0x39);
    assert!(ioapic.message(9).is_some());
    ioapic.set_line(9, false);
    assert_eq!(ioapic.message(9), None);
}

#[test]
fn level_that_nobody_accepts_is_offered_again() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 9, 0x8039);
    ioapic.set_line(9, true);
    ioapic.sent(9, false);
    assert!(ioapic.message(9).is_some());
}

#[test]
fn switching_to_edge_clears_remote_irr() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 9, 0x8039);
    ioapic.set_line(9, true);
    ioapic.sent(9, true);
    set_entry(&mut ioapic, 9, 0x1_0039);
    set_entry(&mut ioapic, 9, 0x8039);
    assert_eq!(entry(&mut ioapic, 9), 0x8039);
    assert!(ioapic.message(9).is_some());
}

#[test]
fn status_bits_cannot_be_written() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 1, 0xffff_ffff);
    assert_eq!(entry(&mut ioapic, 1), 0x1_afff);
}

#[test]
fn restored_ioapic_saves_to_equal_bytes() {
    let mut ioapic = Ioapic::default();
    set_entry(&mut ioapic, 9, 0x8039);
    set_entry(&mut ioapic, 4, 0x34);
    ioapic.set_line(9, true);
    ioapic.sent(9, true);
    ioapic.set_line(4, true);
    let bytes = postcard::to_stdvec(&ioapic).expect("plain data");
    let back: Ioapic = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(back, ioapic);
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
}
