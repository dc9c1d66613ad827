//! The CMOS clock: calendar, alarm, periodic and update interrupts.

use super::*;

const S: u64 = NS_PER_SECOND;
const RAM: RamSize = RamSize { below_4g: 256 << 20, above_4g: 0 };
/// 2024-02-28 23:59:58 UTC, a Wednesday.
const BEFORE_LEAP_DAY: i64 = 1_709_164_798;

fn get(rtc: &mut Rtc, index: u8, now_ns: u64) -> u8 {
    rtc.write(0x70, index, now_ns);
    rtc.read(0x71, now_ns)
}

fn put(rtc: &mut Rtc, index: u8, value: u8, now_ns: u64) {
    rtc.write(0x70, index, now_ns);
    rtc.write(0x71, value, now_ns);
}

/// Century, year, month, day, weekday, hours, minutes, seconds as the registers show them.
fn shown(rtc: &mut Rtc, now_ns: u64) -> [u8; 8] {
    [0x32, 9, 8, 7, 6, 4, 2, 0].map(|index| get(rtc, index, now_ns))
}

#[test]
fn leap_day_comes_in_2024_and_2000_but_not_in_2100() {
    let mut rtc = Rtc::new(BEFORE_LEAP_DAY, RAM);
    assert_eq!(shown(&mut rtc, 0), [0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x58]);
    assert_eq!(shown(&mut rtc, 2 * S), [0x20, 0x24, 0x02, 0x29, 5, 0, 0, 0]);
    let mut rtc = Rtc::new(951_868_799, RAM);
    assert_eq!(shown(&mut rtc, S), [0x20, 0x00, 0x03, 0x01, 4, 0, 0, 0]);
    let mut rtc = Rtc::new(4_107_542_399, RAM);
    assert_eq!(shown(&mut rtc, S), [0x21, 0x00, 0x03, 0x01, 2, 0, 0, 0]);
}

#[test]
fn calendar_agrees_with_counting_day_by_day() {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for days in 0..60_000 {
        let date_time = DateTime::from_unix(days * 86_400, 0);
        assert_eq!((date_time.year, date_time.month, date_time.day), (year, month, day));
        assert_eq!(date_time.to_unix(), (days * 86_400, 0));
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + u8::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day += 1;
        if day > last {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
}

#[test]
fn hours_are_shown_in_every_format() {
    for (b, midnight, noon, evening) in
        [(0x02, 0x00, 0x12, 0x23), (0x06, 0, 12, 23), (0x00, 0x12, 0x92, 0x91), (0x04, 12, 0x8c, 0x8b)]
    {
        for (hour, expected) in [(0, midnight), (12, noon), (23, evening)] {
            let mut rtc = Rtc::new(hour * 3600, RAM);
            put(&mut rtc, 0x0b, b, 0);
            assert_eq!(get(&mut rtc, 0x04, 0), expected, "hour {hour} with register B {b:#x}");
        }
    }
}

#[test]
fn guest_sets_the_time_under_set() {
    let mut rtc = Rtc::new(0, RAM);
    put(&mut rtc, 0x0b, 0x82, 300);
    for (index, value) in [(0x32, 0x20), (9, 0x23), (8, 0x12), (7, 0x31), (6, 1), (4, 0x23), (2, 0x59), (0, 0x59)] {
        put(&mut rtc, index, value, 5 * S);
    }
    assert_eq!(get(&mut rtc, 0, 20 * S), 0x59);
    put(&mut rtc, 0x0b, 0x02, 20 * S + 300);
    assert_eq!(shown(&mut rtc, 20 * S + 400), [0x20, 0x23, 0x12, 0x31, 1, 0x23, 0x59, 0x59]);
    assert_eq!(shown(&mut rtc, 21 * S), [0x20, 0x24, 0x01, 0x01, 2, 0, 0, 0]);
}

#[test]
fn writing_one_register_while_running_keeps_the_others() {
    let mut rtc = Rtc::new(BEFORE_LEAP_DAY, RAM);
    put(&mut rtc, 2, 0x30, S + 5);
    assert_eq!(shown(&mut rtc, S + 6), [0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x30, 0x59]);
}

#[test]
fn released_divider_updates_after_half_a_second() {
    let mut rtc = Rtc::new(0, RAM);
    put(&mut rtc, 0x0a, 0x76, S / 4);
    assert_eq!(get(&mut rtc, 0, 9 * S), 0);
    put(&mut rtc, 0x0a, 0x26, 10 * S);
    assert_eq!(get(&mut rtc, 0, 10 * S + S / 2 - 1), 0);
    assert_eq!(get(&mut rtc, 0, 10 * S + S / 2), 1);
}

#[test]
fn update_in_progress_warns_before_the_second() {
    let mut rtc = Rtc::new(0, RAM);
    assert_eq!(get(&mut rtc, 0x0a, S - 244_001) & 0x80, 0);
    assert_eq!(get(&mut rtc, 0x0a, S - 244_000) & 0x80, 0x80);
    assert_eq!(get(&mut rtc, 0x0a, S) & 0x80, 0);
}

#[test]
fn periodic_interrupt_has_its_rate_and_waits_for_register_c() {
    for (rate, hz) in [(6, 1024), (15, 2), (3, 8192), (1, 256), (2, 128)] {
        let mut rtc = Rtc::new(0, RAM);
        put(&mut rtc, 0x0a, 0x20 | rate, 0);
        put(&mut rtc, 0x0b, 0x42, 0);
        let first = rtc.next_event().expect("enabled");
        assert_eq!(first, S.div_ceil(hz));
        rtc.advance(first);
        assert!(rtc.irq());
        assert_eq!(rtc.next_event(), None);
        assert_eq!(get(&mut rtc, 0x0c, first + 10), 0xc0);
        assert!(!rtc.irq());
        assert_eq!(rtc.next_event(), Some((2 * S).div_ceil(hz)));
    }
}

#[test]
fn update_interrupt_comes_each_second() {
    let mut rtc = Rtc::new(0, RAM);
    put(&mut rtc, 0x0b, 0x12, 5);
    assert_eq!(rtc.next_event(), Some(S));
    rtc.advance(S);
    assert!(rtc.irq());
    assert_eq!(get(&mut rtc, 0x0c, S + 1) & 0x90, 0x90);
    put(&mut rtc, 0x0b, 0x92, S + 2);
    assert_eq!(get(&mut rtc, 0x0b, S + 2), 0x82);
    assert_eq!(rtc.next_event(), None);
}

#[test]
fn alarm_matches_exact_wildcard_and_next_day() {
    let cases = [
        ([0x00, 0x00, 0x05], 7),
        ([0xff, 0xff, 0x59], 1),
        ([0xff, 0xff, 0xff], 1),
        ([0x23, 0x59, 0x58], 86_400),
        ([0xc0, 0x01, 0x00], 62),
    ];
    for ([hours, minutes, seconds], after) in cases {
        let mut rtc = Rtc::new(BEFORE_LEAP_DAY, RAM);
        for (index, value) in [(5, hours), (3, minutes), (1, seconds), (0x0b, 0x22)] {
            put(&mut rtc, index, value, 0);
        }
        assert_eq!(rtc.next_event(), Some(after * S), "{hours:02x}:{minutes:02x}:{seconds:02x}");
        rtc.advance(after * S - 1);
        assert!(!rtc.irq());
        rtc.advance(after * S);
        assert!(rtc.irq());
        assert_eq!(get(&mut rtc, 0x0c, after * S) & 0x20, 0x20);
    }
}

#[test]
fn alarm_at_an_impossible_time_never_comes() {
    let mut rtc = Rtc::new(0, RAM);
    put(&mut rtc, 3, 0x77, 0);
    put(&mut rtc, 0x0b, 0x22, 0);
    assert_eq!(rtc.next_event(), None);
}

#[test]
fn memory_tells_the_size_of_ram() {
    let mut rtc = Rtc::new(0, RamSize { below_4g: 256 << 20, above_4g: 1 << 30 });
    let mut word = |index| u32::from(get(&mut rtc, index, 0)) | u32::from(get(&mut rtc, index + 1, 0)) << 8;
    assert_eq!(word(0x15), 640);
    assert_eq!(word(0x17), 65_535);
    assert_eq!(word(0x34), (256 - 16) * 16);
    assert_eq!(word(0x5b), 1 << 14);
    put(&mut rtc, 0x0f, 0x0a, 0);
    assert_eq!(get(&mut rtc, 0x0f, 0), 0x0a);
    assert_eq!(get(&mut rtc, 0x0d, 0), 0x80);
}

#[test]
fn restored_clock_saves_to_equal_bytes() {
    let mut rtc = Rtc::new(BEFORE_LEAP_DAY, RAM);
    put(&mut rtc, 0x0b, 0x72, 0);
    rtc.advance(3 * S);
    let bytes = postcard::to_stdvec(&rtc).expect("plain data");
    let back: Rtc = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(back, rtc);
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
}
