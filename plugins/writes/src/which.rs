//! Which writes are wanted.

use reenact_plugin::{ArgumentError, Arguments, MemoryRange, Scene, Whose, number};

/// The bytes that are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These.
    Range(MemoryRange),
    /// As many bytes from a symbol of the kernel on. Where it is is known only when the machine runs.
    Symbol(String, u64),
}

impl Which {
    /// What the arguments ask for.
    pub fn of(arguments: &Arguments) -> Result<Which, ArgumentError> {
        let ways = ["from", "range", "symbol", "all"].map(|key| arguments.get(key).map(|_| key));
        let whose = match arguments.get("space") {
            None | Some("linear") => Whose::Linear,
            Some("physical") => Whose::Physical,
            Some(other) => return refuse(format!("space={other}: it is linear or physical")),
        };
        let len = arguments.number("len")?;
        let mut ways = ways.into_iter().flatten();
        let (way, None) = (ways.next(), ways.next()) else {
            return refuse("give only one of from, range, symbol and all");
        };
        if len.is_some() && !matches!(way, Some("from" | "symbol")) {
            return refuse("len goes with from or symbol");
        }
        if arguments.get("space").is_some() && matches!(way, Some("symbol" | "all")) {
            return refuse("space goes with from or range");
        }
        let len = len.unwrap_or(8);
        match way {
            Some("from") => {
                let from = arguments.number("from")?.unwrap_or_default();
                range(whose, from, len.checked_sub(1).and_then(|more| from.checked_add(more)))
            }
            Some("range") => {
                let text = arguments.get("range").unwrap_or_default();
                let ends = text.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?)));
                let Some((from, to)) = ends else {
                    return refuse(format!("range={text}: write it as FIRST-BEHIND, such as 0x1000-0x2000"));
                };
                range(whose, from, to.checked_sub(1))
            }
            Some("symbol") if len == 0 => refuse("len=0: there is nothing to watch"),
            Some("symbol") => Ok(Which::Symbol(arguments.get("symbol").unwrap_or_default().to_owned(), len)),
            Some(_) if arguments.get("all") == Some("yes") => Ok(Which::Range(MemoryRange::ALL)),
            Some(_) => refuse("all=yes is the only value that all takes"),
            None => refuse(
                "say which bytes: from=ADDRESS [len=N], range=FIRST-BEHIND, symbol=NAME [len=N], or all=yes for every write",
            ),
        }
    }

    /// What is to be shown: all that may be wanted.
    pub fn range(&self) -> MemoryRange {
        match self {
            Which::Range(range) => *range,
            Which::Symbol(..) => MemoryRange::ALL,
        }
    }

    /// True if some of the bytes are wanted. A symbol's place is kept once it is known: it stays for a boot.
    pub fn has(
        &self,
        linear: Option<u64>,
        physical: u64,
        size: u8,
        place: &mut Option<u64>,
        scene: &dyn Scene,
    ) -> bool {
        let overlaps = |at: u64, from: u64, last: u64| at <= last && at.saturating_add(u64::from(size) - 1) >= from;
        match self {
            Which::Range(MemoryRange { whose: Whose::Physical, from, last }) => overlaps(physical, *from, *last),
            Which::Range(MemoryRange { whose: Whose::Linear, from, last }) => {
                linear.is_some_and(|at| overlaps(at, *from, *last))
            }
            Which::Symbol(name, len) => linear.is_some_and(|at| {
                if place.is_none() {
                    *place = scene.address_of(name);
                }
                place.is_some_and(|from| overlaps(at, from, from.saturating_add(len - 1)))
            }),
        }
    }
}

fn range(whose: Whose, from: u64, last: Option<u64>) -> Result<Which, ArgumentError> {
    match last {
        Some(last) if last >= from => Ok(Which::Range(MemoryRange { whose, from, last })),
        _ => refuse("the range has no bytes, or goes beyond the last address"),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, ArgumentError> {
    Err(ArgumentError(why.into()))
}
