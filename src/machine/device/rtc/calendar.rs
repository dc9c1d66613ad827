//! Seconds since 1970 to the chip's registers and back, in the proleptic Gregorian calendar.

const SECONDS_PER_DAY: i64 = 86_400;
/// 0000-03-01 to 1970-01-01: counted from March, the leap day is the last of its year.
const DAYS_TO_1970: i64 = 719_468;
const DAYS_IN_400_YEARS: i64 = 146_097;

/// The time registers: seconds, minutes, hours, day of the week, day, month, year, century.
pub(super) const TIME: [u8; 8] = [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32];

pub(super) fn is_time(index: u8) -> bool {
    TIME.contains(&index)
}

/// How register B has numbers and hours written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub is_binary: bool,
    pub has_24_hours: bool,
}

impl Format {
    pub(super) fn number(self, value: u8) -> u8 {
        if self.is_binary { value } else { ((value / 10 % 10) << 4) | (value % 10) }
    }

    pub(super) fn parse_number(self, byte: u8) -> u8 {
        if self.is_binary { byte } else { (byte >> 4) * 10 + (byte & 0x0f) }
    }

    fn hour(self, hour: u8) -> u8 {
        if self.has_24_hours {
            return self.number(hour);
        }
        let in_half = match hour % 12 {
            0 => 12,
            hour => hour,
        };
        self.number(in_half) | if hour >= 12 { 0x80 } else { 0 }
    }

    pub(super) fn parse_hour(self, byte: u8) -> u8 {
        if self.has_24_hours {
            return self.parse_number(byte);
        }
        let in_half = self.parse_number(byte & 0x7f) % 12;
        if byte & 0x80 != 0 { in_half + 12 } else { in_half }
    }
}

/// A broken-down time. `weekday` is 1..=7 from Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateTime {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub weekday: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl DateTime {
    pub(super) fn from_unix(unix: i64, weekday_offset: u8) -> DateTime {
        let (days, second_of_day) = (unix.div_euclid(SECONDS_PER_DAY), unix.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = date_of(days);
        DateTime {
            year,
            month,
            day,
            weekday: ((weekday_of(days) + i64::from(weekday_offset)) % 7 + 1) as u8,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
        }
    }

    /// The Unix second, and what the day of the week is ahead of the true one.
    pub(super) fn to_unix(self) -> (i64, u8) {
        let days = days_of(self.year, self.month.clamp(1, 12), self.day.max(1));
        let second_of_day = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let weekday = i64::from(self.weekday) - 1;
        (days * SECONDS_PER_DAY + second_of_day, (weekday - weekday_of(days)).rem_euclid(7) as u8)
    }

    pub(super) fn encode(self, index: u8, format: Format) -> u8 {
        match index {
            0x00 => format.number(self.second),
            0x02 => format.number(self.minute),
            0x04 => format.hour(self.hour),
            0x06 => format.number(self.weekday),
            0x07 => format.number(self.day),
            0x08 => format.number(self.month),
            0x09 => format.number(self.year.rem_euclid(100) as u8),
            // The century is BCD whatever register B says: it is firmware's convention, not the chip's.
            _ => Format { is_binary: false, ..format }.number((self.year.div_euclid(100).rem_euclid(100)) as u8),
        }
    }

    pub(super) fn decode(load: impl Fn(u8) -> u8, format: Format) -> DateTime {
        let number = |index| format.parse_number(load(index));
        let century = Format { is_binary: false, ..format }.parse_number(load(0x32));
        DateTime {
            year: i64::from(century) * 100 + i64::from(number(0x09)),
            month: number(0x08),
            day: number(0x07),
            weekday: number(0x06),
            hour: format.parse_hour(load(0x04)),
            minute: number(0x02),
            second: number(0x00),
        }
    }
}

/// 0 is Sunday; 1970-01-01 was a Thursday.
fn weekday_of(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Days from 1970-01-01 to a date. A day past the end of its month counts on into the next.
fn days_of(year: i64, month: u8, day: u8) -> i64 {
    let months_from_march = (i64::from(month) + 9) % 12;
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + first_day(months_from_march) + i64::from(day) - 1 - DAYS_TO_1970
}

/// Days from the first of March to the first of the month that many months later.
fn first_day(months_from_march: i64) -> i64 {
    // Five months of 31, 30, 31, 30, 31 days are 153.
    (153 * months_from_march + 2) / 5
}

fn date_of(days: i64) -> (i64, u8, u8) {
    let from_march_0 = days + DAYS_TO_1970;
    let (cycle, in_cycle) = (from_march_0.div_euclid(DAYS_IN_400_YEARS), from_march_0.rem_euclid(DAYS_IN_400_YEARS));
    let century = (in_cycle / 36_524).min(3);
    let in_century = in_cycle - century * 36_524;
    let (quad, in_quad) = (in_century / 1461, in_century % 1461);
    let year_in_quad = (in_quad / 365).min(3);
    let day_of_year = in_quad - year_in_quad * 365;
    let months_from_march = (5 * day_of_year + 2) / 153;
    let year = cycle * 400 + century * 100 + quad * 4 + year_in_quad;
    let month = (months_from_march + 2) % 12 + 1;
    let year = if month <= 2 { year + 1 } else { year };
    (year, month as u8, (day_of_year - first_day(months_from_march) + 1) as u8)
}
