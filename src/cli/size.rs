//! Sizes and Moments as people write them.

use crate::cpu::block::Geometry;
use crate::moment::Moment;

/// Bytes: a number with an optional K, M or G (powers of 1024); a bare number is bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']);
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err("write a number with one of K, M, G, for example 256M".into()),
    };
    let n: u64 = digits.parse().map_err(|_| "write a number with K, M or G, for example 256M".to_owned())?;
    n.checked_mul(1 << unit).ok_or_else(|| "that is more than 2^64 bytes".into())
}

/// A place in a recording: an instruction number, a percentage, or `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// An instruction number.
    At(Moment),
    /// Per cent of the whole.
    Percent(f64),
    /// The end.
    End,
}

impl Place {
    /// The Moment that this means in a recording of `length` instructions.
    pub fn in_recording(self, length: Moment) -> Moment {
        match self {
            Place::At(m) => m,
            Place::Percent(p) => Moment((length.0 as f64 * p / 100.0) as u64),
            Place::End => length,
        }
    }
}

/// Reads a [`Place`].
pub fn place(text: &str) -> Result<Place, String> {
    let why = || "write an instruction number, a percentage like 50%, or end".to_owned();
    if text == "end" {
        return Ok(Place::End);
    }
    if let Some(number) = text.strip_suffix('%') {
        let p: f64 = number.parse().map_err(|_| why())?;
        return if (0.0..=100.0).contains(&p) {
            Ok(Place::Percent(p))
        } else {
            Err("a percentage is between 0% and 100%".into())
        };
    }
    text.replace('_', "").parse().map(|n| Place::At(Moment(n))).map_err(|_| why())
}

/// `BLOCK,TLB[,HOT]`: limits that may change nothing but speed.
pub fn geometry(text: &str) -> Result<Geometry, String> {
    let why = || {
        "write BLOCK,TLB or BLOCK,TLB,HOT: 1..=48 instructions, a power of two of at least 2 entries, at least 1 execution"
            .to_owned()
    };
    let numbers: Vec<usize> = text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| why())?;
    let (block, tlb, hot) = match numbers[..] {
        [block, tlb] => (block, tlb, None),
        [block, tlb, hot] => (block, tlb, u32::try_from(hot).ok()),
        _ => return Err(why()),
    };
    let defaults = Geometry::default();
    let hot = hot.unwrap_or(defaults.hot);
    if !(1..=48).contains(&block) || !tlb.is_power_of_two() || !(2..=1 << 16).contains(&tlb) || hot == 0 {
        return Err(why());
    }
    Ok(Geometry { block, tlb, hot, ..defaults })
}

/// What the guest's clock starts at.
#[derive(Clone, Copy, Debug)]
pub enum StartTime {
    /// The host's clock.
    Now,
    /// Seconds since 1970 UTC.
    At(u64),
}

/// Reads a [`StartTime`].
pub fn start_time(text: &str) -> Result<StartTime, String> {
    match text {
        "now" => Ok(StartTime::Now),
        _ => text.parse().map(StartTime::At).map_err(|_| "write seconds since 1970, or now".into()),
    }
}
