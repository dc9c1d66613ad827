//! When the alarm registers match next. A register of 0xC0 and above matches every value.

use super::calendar::Format;

const SECONDS_PER_DAY: i64 = 86_400;

#[derive(Clone, Copy)]
enum Field {
    Any,
    Exactly(i64),
}

impl Field {
    /// The smallest match in `from..limit`.
    fn first_from(self, from: i64, limit: i64) -> Option<i64> {
        let first = match self {
            Field::Any => from,
            Field::Exactly(value) => value,
        };
        (first >= from && first < limit).then_some(first)
    }
}

/// The first second after `unix` whose time of day matches hours, minutes and seconds; `None` for a time that no day has.
pub(super) fn next_after(unix: i64, [hours, minutes, seconds]: [u8; 3], format: Format) -> Option<i64> {
    let field = |byte, value: u8| {
        if byte >= 0xc0 { Field::Any } else { Field::Exactly(value.into()) }
    };
    let hours = field(hours, format.parse_hour(hours));
    let minutes = field(minutes, format.parse_number(minutes));
    let seconds = field(seconds, format.parse_number(seconds));
    let next = unix.checked_add(1)?;
    let second_of_day = next.rem_euclid(SECONDS_PER_DAY);
    let midnight = next - second_of_day;
    let today = in_day(hours, minutes, seconds, second_of_day);
    match today {
        Some(at) => Some(midnight + at),
        None => in_day(hours, minutes, seconds, 0).map(|at| midnight + SECONDS_PER_DAY + at),
    }
}

/// The first match at or after a second of the day.
fn in_day(hours: Field, minutes: Field, seconds: Field, from: i64) -> Option<i64> {
    let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
    if hours.first_from(hour, hour + 1).is_some() {
        if minutes.first_from(minute, minute + 1).is_some()
            && let Some(second) = seconds.first_from(second, 60)
        {
            return Some(hour * 3600 + minute * 60 + second);
        }
        if let (Some(minute), Some(second)) = (minutes.first_from(minute + 1, 60), seconds.first_from(0, 60)) {
            return Some(hour * 3600 + minute * 60 + second);
        }
    }
    let hour = hours.first_from(hour + 1, 24)?;
    Some(hour * 3600 + minutes.first_from(0, 60)? * 60 + seconds.first_from(0, 60)?)
}
