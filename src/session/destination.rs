//! Places in time as people write them: `M`, `+N`, `-N`, a percentage, `1.5s`, `end`, `exit`, or the name of a mark.

use super::Error;
use crate::moment::Moment;
use std::str::FromStr;

/// Where to go.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// An instruction number.
    At(Moment),
    /// That many instructions later.
    Later(u64),
    /// That many instructions earlier.
    Earlier(u64),
    /// Per cent of the whole, 0 to 100.
    Percent(f64),
    /// Virtual nanoseconds since power-on.
    GuestTime(u64),
    /// The end.
    End,
    /// The last instruction of the recorded program: the one that faulted, or its last system call.
    Exit,
    /// A mark.
    Mark(String),
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Destination, Error> {
        let nowhere = || Error::NoDestination(text.to_owned());
        if text == "end" {
            return Ok(Destination::End);
        }
        if text == "exit" {
            return Ok(Destination::Exit);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().map_err(|_| nowhere())?;
            return (0.0..=100.0).contains(&percent).then_some(Destination::Percent(percent)).ok_or_else(nowhere);
        }
        if let Some(seconds) = text.strip_suffix('s').filter(|s| s.starts_with(|c: char| c.is_ascii_digit())) {
            let seconds: f64 = seconds.parse().map_err(|_| nowhere())?;
            return Ok(Destination::GuestTime((seconds * 1e9) as u64));
        }
        if let Some(n) = text.strip_prefix('+') {
            return number(n).map(Destination::Later).ok_or_else(nowhere);
        }
        if let Some(n) = text.strip_prefix('-') {
            return number(n).map(Destination::Earlier).ok_or_else(nowhere);
        }
        if let Some(n) = number(text) {
            return Ok(Destination::At(Moment(n)));
        }
        is_mark_name(text).then(|| Destination::Mark(text.to_owned())).ok_or_else(nowhere)
    }
}

/// Decimal digits, which may be grouped as reenact prints them.
fn number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|c| !matches!(c, ',' | '_')).collect();
    (text.starts_with(|c: char| c.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Names that cannot be mistaken for another way to write a place.
pub(super) fn is_mark_name(name: &str) -> bool {
    !matches!(name, "end" | "exit")
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_alphabetic())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_reenact_prints_and_what_people_write() {
        let read = |text: &str| text.parse::<Destination>().expect(text);
        assert_eq!(read("1,234,567"), Destination::At(Moment(1_234_567)));
        assert_eq!(read("12_000"), Destination::At(Moment(12_000)));
        assert_eq!(read("+5"), Destination::Later(5));
        assert_eq!(read("-1,000"), Destination::Earlier(1000));
        assert_eq!(read("12.5%"), Destination::Percent(12.5));
        assert_eq!(read("1.5s"), Destination::GuestTime(1_500_000_000));
        assert_eq!(read("end"), Destination::End);
        assert_eq!(read("exit"), Destination::Exit);
        assert_eq!(read("before-crash"), Destination::Mark("before-crash".into()));
        assert_eq!(read("s"), Destination::Mark("s".into()));
    }

    #[test]
    fn refuses_everything_else_by_name() {
        for text in [
            "",
            "+",
            "5.x.s",
            "-",
            "--1",
            "+-1",
            "101%",
            "-1%",
            "NaN%",
            "%",
            "0x10",
            "5k",
            "18446744073709551616",
            ",1",
        ] {
            let error = text.parse::<Destination>().expect_err(text).to_string();
            assert!(error.contains(&format!("\"{text}\"")), "{error}");
        }
    }
}
