//! The 8254: modes, latches, gates and the time of its edges.

use super::*;

/// A nanosecond inside input clock `clock`.
fn at(clock: u64) -> u64 {
    PIT_RATE.ns_at(clock).expect("tests stay in the first seconds")
}

/// Programs a counter at clock 0: control word, then both bytes of the count.
fn program(counter: u16, mode: u8, count: u16) -> Pit {
    let mut pit = Pit::default();
    set(&mut pit, counter, mode, count, 0);
    pit
}

fn set(pit: &mut Pit, counter: u16, mode: u8, count: u16, clock: u64) {
    pit.write(0x43, (counter as u8) << 6 | 0x30 | mode << 1, at(clock));
    write_count(pit, counter, count, clock);
}

fn write_count(pit: &mut Pit, counter: u16, count: u16, clock: u64) {
    for byte in count.to_le_bytes() {
        pit.write(0x40 + counter, byte, at(clock));
    }
}

fn count(pit: &mut Pit, counter: u16, clock: u64) -> u16 {
    pit.write(0x43, (counter as u8) << 6, at(clock));
    let low = pit.read(0x40 + counter, at(clock));
    u16::from_le_bytes([low, pit.read(0x40 + counter, at(clock))])
}

/// OUT of counter 0 over the clocks 0..len, by stepping; and the same by events alone.
fn wave(pit: &Pit, len: u64) -> String {
    let level = |pit: &Pit| if pit.irq() { 'H' } else { 'L' };
    let mut stepped = pit.clone();
    let by_step: String = (0..len)
        .map(|clock| {
            stepped.advance(at(clock));
            level(&stepped)
        })
        .collect();
    let mut evented = pit.clone();
    let by_event: String = (0..len)
        .map(|clock| {
            while evented.next_event().is_some_and(|event| event <= at(clock)) {
                let event = evented.next_event().expect("just seen");
                let before = evented.irq();
                evented.advance(event);
                assert_ne!(before, evented.irq(), "an event that changes nothing at {clock}");
            }
            level(&evented)
        })
        .collect();
    assert_eq!(by_step, by_event);
    by_step
}

#[test]
fn mode_0_rises_one_clock_after_the_count() {
    assert_eq!(wave(&program(0, 0, 4), 8), "LLLLLHHH");
}

#[test]
fn mode_0_control_word_lowers_out() {
    let mut pit = program(0, 2, 4);
    pit.write(0x43, 0x30, at(2));
    assert!(!pit.irq());
    assert_eq!(pit.next_event(), None);
}

#[test]
fn mode_0_counts_on_past_zero() {
    let mut pit = program(0, 0, 4);
    assert_eq!(count(&mut pit, 0, 3), 2);
    assert_eq!(count(&mut pit, 0, 5), 0);
    assert_eq!(count(&mut pit, 0, 6), 0xffff);
}

#[test]
fn mode_2_is_low_for_the_last_clock_of_each_period() {
    assert_eq!(wave(&program(0, 2, 3), 11), "HHHLHHLHHLH");
}

#[test]
fn mode_3_halves_an_even_count() {
    assert_eq!(wave(&program(0, 3, 4), 10), "HHHLLHHLLH");
}

#[test]
fn mode_3_gives_the_odd_clock_to_the_high_half() {
    assert_eq!(wave(&program(0, 3, 5), 12), "HHHHLLHHHLLH");
}

#[test]
fn mode_3_counts_down_by_two() {
    let mut pit = program(0, 3, 6);
    let counts: Vec<u16> = (1..8).map(|clock| count(&mut pit, 0, clock)).collect();
    assert_eq!(counts, [6, 4, 2, 6, 4, 2, 6]);
}

#[test]
fn mode_4_strobes_once() {
    assert_eq!(wave(&program(0, 4, 3), 9), "HHHHLHHHH");
}

#[test]
fn mode_2_takes_a_new_count_at_the_end_of_the_cycle() {
    let mut pit = program(0, 2, 4);
    write_count(&mut pit, 0, 2, 2);
    assert_eq!(wave(&pit, 10), "HHHHLHLHLH");
}

#[test]
fn mode_3_takes_a_new_count_at_the_end_of_the_half() {
    // Six clocks: high 1..=3, low 4..=6. Written in the high half, the low half already has the new length.
    let mut early = program(0, 3, 6);
    write_count(&mut early, 0, 2, 2);
    early.advance(at(3));
    assert_eq!(wave(&early, 8)[3..], *"HLHLH");
    // Written in the low half, that half keeps its old length.
    let mut late = program(0, 3, 6);
    write_count(&mut late, 0, 2, 5);
    assert_eq!(wave(&late, 10)[5..], *"LLHLH");
}

#[test]
fn mode_1_pulses_low_on_each_trigger() {
    let mut pit = program(2, 1, 3);
    let out = |pit: &mut Pit, clock| pit.read_control(at(clock)) & 0x20 != 0;
    assert!(out(&mut pit, 5));
    pit.write_control(1, at(10));
    assert!(!out(&mut pit, 11));
    assert!(!out(&mut pit, 13));
    assert!(out(&mut pit, 14));
    pit.write_control(0, at(20));
    pit.write_control(1, at(21));
    pit.write_control(0, at(22));
    pit.write_control(1, at(23));
    assert!(!out(&mut pit, 26));
    assert!(out(&mut pit, 27));
}

#[test]
fn mode_5_strobes_after_a_trigger() {
    let mut pit = program(2, 5, 3);
    pit.write_control(1, at(10));
    let levels: Vec<bool> = (11..17).map(|clock| pit.read_control(at(clock)) & 0x20 != 0).collect();
    assert_eq!(levels, [true, true, true, false, true, true]);
}

#[test]
fn gate_pauses_mode_0_and_restarts_mode_2() {
    let mut pit = Pit::default();
    pit.write_control(1, 0);
    set(&mut pit, 2, 0, 10, 0);
    pit.write_control(0, at(4));
    assert_eq!(count(&mut pit, 2, 50), 7);
    pit.write_control(1, at(60));
    assert_eq!(count(&mut pit, 2, 62), 5);
    set(&mut pit, 2, 2, 10, 100);
    pit.write_control(0, at(105));
    assert_ne!(pit.read_control(at(109)) & 0x20, 0);
    pit.write_control(1, at(120));
    assert_eq!(count(&mut pit, 2, 121), 10);
}

#[test]
fn zero_means_the_full_count() {
    let mut pit = program(0, 2, 0);
    assert_eq!(count(&mut pit, 0, 2), 0xffff);
    assert_eq!(pit.next_event(), Some(at(65_536)));
}

#[test]
fn bcd_counts_in_decimal() {
    let mut pit = Pit::default();
    pit.write(0x43, 0x31, 0);
    write_count(&mut pit, 0, 0x1000, 0);
    assert_eq!(count(&mut pit, 0, 2), 0x0999);
    assert_eq!(count(&mut pit, 0, 1002), 0x9999);
}

#[test]
fn latched_count_stands_until_both_bytes_are_read() {
    let mut pit = program(0, 2, 1000);
    pit.write(0x43, 0x00, at(101));
    pit.write(0x43, 0x00, at(301));
    let low = pit.read(0x40, at(400));
    let high = pit.read(0x40, at(500));
    assert_eq!(u16::from_le_bytes([low, high]), 900);
    assert_ne!(count(&mut pit, 0, 600), 900);
}

#[test]
fn single_byte_access_fills_the_other_byte_with_zero() {
    let mut pit = Pit::default();
    pit.write(0x43, 0x24, 0);
    pit.write(0x40, 0x02, 0);
    assert_eq!(pit.read(0x40, at(1)), 0x02);
    assert_eq!(pit.read(0x40, at(2)), 0x01);
}

#[test]
fn read_back_tells_status_before_count() {
    let mut pit = Pit::default();
    pit.write(0x43, 0x34, 0);
    pit.write(0x43, 0xe2, at(1));
    assert_eq!(pit.read(0x40, at(1)), 0x80 | 0x40 | 0x34);
    write_count(&mut pit, 0, 100, 1);
    pit.write(0x43, 0xc2, at(12));
    assert_eq!(pit.read(0x40, at(20)), 0x80 | 0x34);
    assert_eq!(pit.read(0x40, at(20)), 90);
    assert_eq!(pit.read(0x40, at(20)), 0);
}

#[test]
fn refresh_bit_toggles() {
    let mut pit = Pit::default();
    let seen: Vec<u8> = (0..4).map(|n| pit.read_control(n * REFRESH_NS) & 0x10).collect();
    assert_eq!(seen, [0, 0x10, 0, 0x10]);
}

#[test]
fn restored_timer_saves_to_equal_bytes_and_behaves_alike() {
    let mut pit = program(0, 3, 77);
    set(&mut pit, 2, 0, 500, 9);
    pit.write(0x42, 0x12, at(20));
    pit.write(0x43, 0x80, at(21));
    let bytes = postcard::to_stdvec(&pit).expect("plain data");
    let mut back: Pit = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
    assert_eq!(wave(&back, 300), wave(&pit, 300));
    assert_eq!(back.read(0x42, at(400)), pit.read(0x42, at(400)));
}
