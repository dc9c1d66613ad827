//! The 8259 pair: nesting, rotation, spurious interrupts.

use super::*;

fn initialised() -> Pic {
    initialised_with(0x01, 0x01)
}

fn initialised_with(master_icw4: u8, slave_icw4: u8) -> Pic {
    let mut pic = Pic::default();
    for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, master_icw4)] {
        pic.write(port, value);
    }
    for (port, value) in [(0xa0, 0x11), (0xa1, 0x28), (0xa1, 0x02), (0xa1, slave_icw4)] {
        pic.write(port, value);
    }
    pic
}

fn in_service(pic: &mut Pic, port: u16) -> u8 {
    pic.write(port, 0x0b);
    pic.read(port)
}

#[test]
fn more_urgent_line_nests_and_less_urgent_waits() {
    let mut pic = initialised();
    pic.set_irq(4, true);
    assert_eq!(pic.acknowledge(), 0x24);
    pic.set_irq(6, true);
    assert!(!pic.interrupt());
    pic.set_irq(1, true);
    assert!(pic.interrupt());
    assert_eq!(pic.acknowledge(), 0x21);
    assert_eq!(in_service(&mut pic, 0x20), 0x12);
    pic.write(0x20, 0x20);
    assert_eq!(in_service(&mut pic, 0x20), 0x10);
    assert!(!pic.interrupt());
    pic.write(0x20, 0x64);
    assert_eq!(pic.acknowledge(), 0x26);
}

#[test]
fn edge_line_held_high_interrupts_once() {
    let mut pic = initialised();
    pic.set_irq(3, true);
    pic.acknowledge();
    pic.write(0x20, 0x20);
    assert!(!pic.interrupt());
    pic.set_irq(3, false);
    pic.set_irq(3, true);
    assert!(pic.interrupt());
}

#[test]
fn level_line_held_high_interrupts_again_after_eoi() {
    let mut pic = initialised();
    pic.write(0x4d1, 0x02);
    assert_eq!(pic.read(0x4d1), 0x02);
    pic.set_irq(9, true);
    assert_eq!(pic.acknowledge(), 0x29);
    assert!(!pic.interrupt());
    pic.write(0xa0, 0x20);
    pic.write(0x20, 0x20);
    assert!(pic.interrupt());
    pic.set_irq(9, false);
    assert!(!pic.interrupt());
}

#[test]
fn elcr_refuses_lines_that_are_always_edge() {
    let mut pic = initialised();
    pic.write(0x4d0, 0xff);
    pic.write(0x4d1, 0xff);
    assert_eq!((pic.read(0x4d0), pic.read(0x4d1)), (0xf8, 0xde));
}

#[test]
fn withdrawn_request_gives_the_spurious_vector_and_nothing_in_service() {
    let mut pic = initialised();
    pic.set_irq(5, true);
    pic.set_irq(5, false);
    assert!(!pic.interrupt());
    assert_eq!(pic.acknowledge(), 0x27);
    assert_eq!(in_service(&mut pic, 0x20), 0);
}

#[test]
fn slave_without_request_gives_irq_15_and_leaves_the_cascade_in_service() {
    let mut pic = initialised();
    pic.set_irq(10, true);
    // The slave's request vanishes between the master's decision and the second INTA pulse.
    pic.slave.requests = 0;
    assert_eq!(pic.acknowledge(), 0x2f);
    assert_eq!(in_service(&mut pic, 0x20), 0x04);
    assert_eq!(in_service(&mut pic, 0xa0), 0);
}

#[test]
fn slave_nests_only_in_special_fully_nested_mode() {
    for (icw4, expected) in [(0x01, false), (0x11, true)] {
        let mut pic = initialised_with(icw4, 0x01);
        pic.set_irq(12, true);
        assert_eq!(pic.acknowledge(), 0x2c);
        pic.set_irq(8, true);
        assert_eq!(pic.interrupt(), expected);
    }
}

#[test]
fn rotation_on_eoi_makes_the_served_line_the_least_urgent() {
    let mut pic = initialised();
    pic.set_irq(0, true);
    pic.acknowledge();
    pic.write(0x20, 0xa0);
    pic.set_irq(0, false);
    pic.set_irq(0, true);
    pic.set_irq(7, true);
    assert_eq!(pic.acknowledge(), 0x27);
    pic.write(0x20, 0xe7);
    assert_eq!(pic.acknowledge(), 0x20);
}

#[test]
fn set_priority_command_chooses_the_least_urgent() {
    let mut pic = initialised();
    pic.write(0x20, 0xc4);
    pic.set_irq(0, true);
    pic.set_irq(5, true);
    assert_eq!(pic.acknowledge(), 0x25);
}

#[test]
fn automatic_eoi_keeps_nothing_in_service_and_may_rotate() {
    let mut pic = initialised_with(0x03, 0x03);
    pic.write(0x20, 0x80);
    pic.set_irq(1, true);
    assert_eq!(pic.acknowledge(), 0x21);
    assert_eq!(in_service(&mut pic, 0x20), 0);
    pic.set_irq(1, false);
    pic.set_irq(1, true);
    pic.set_irq(6, true);
    assert_eq!(pic.acknowledge(), 0x26);
}

#[test]
fn automatic_eoi_of_the_slave_makes_a_new_edge_for_its_next_request() {
    let mut pic = initialised_with(0x03, 0x03);
    pic.set_irq(8, true);
    pic.set_irq(9, true);
    assert_eq!(pic.acknowledge(), 0x28);
    assert!(pic.interrupt());
    assert_eq!(pic.acknowledge(), 0x29);
    assert!(!pic.interrupt());
}

#[test]
fn special_mask_lets_less_urgent_lines_through() {
    let mut pic = initialised();
    pic.set_irq(1, true);
    pic.acknowledge();
    pic.set_irq(6, true);
    assert!(!pic.interrupt());
    pic.write(0x21, 0x02);
    pic.write(0x20, 0x68);
    assert!(pic.interrupt());
    assert_eq!(pic.acknowledge(), 0x26);
    pic.write(0x20, 0x20);
    assert_eq!(in_service(&mut pic, 0x20), 0x02);
}

#[test]
fn poll_acknowledges_and_tells_the_line() {
    let mut pic = initialised();
    pic.set_irq(4, true);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x20), 0x84);
    assert_eq!(in_service(&mut pic, 0x20), 0x10);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x21), 0);
}

#[test]
fn initialisation_clears_the_mask_and_forgets_edges() {
    let mut pic = initialised();
    pic.write(0x21, 0xff);
    pic.set_irq(3, true);
    pic.write(0x20, 0x11);
    for value in [0x30, 0x04, 0x01] {
        pic.write(0x21, value);
    }
    assert_eq!(pic.read(0x21), 0);
    assert!(!pic.interrupt());
}

#[test]
fn restored_pair_saves_to_equal_bytes() {
    let mut pic = initialised();
    pic.set_irq(4, true);
    pic.set_irq(11, true);
    pic.acknowledge();
    let bytes = postcard::to_stdvec(&pic).expect("plain data");
    let back: Pic = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(back, pic);
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
}
