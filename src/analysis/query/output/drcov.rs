//! drcov version 2, as DynamoRIO writes it and Lighthouse reads it: a table of modules, then the blocks as packed records.
//!
//! ```text
//! DRCOV VERSION: 2 | DRCOV FLAVOR: .. | Module Table: version 2, count N | Columns: id, base, end, entry, path | one line each
//! BB Table: M bbs | M times: offset u32, size u16, module u16, little-endian
//! ```
//! A block is written once, whoever executed it and how often; the format knows no processes and no Moments.

use super::each_row;
use crate::analysis::query::{Answer, Cell, Error};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Columns of the table `coverage` that it is made from.
const NEEDED: [&str; 4] = ["module", "base", "offset", "size"];

/// Where a module was.
type Module = (String, u64);

pub fn write(answer: Answer, out: &mut impl Write) -> Result<u64, Error> {
    let columns = answer.columns();
    let place = |name: &str| columns.iter().position(|c| c == name);
    let [Some(module), Some(base), Some(offset), Some(size)] = NEEDED.map(place) else {
        return Err(Error::Shape(format!(
            "drcov is made from the columns {}, as table coverage has them",
            NEEDED.join(", ")
        )));
    };
    let mut blocks: BTreeMap<Module, BTreeSet<(u64, u64)>> = BTreeMap::new();
    let rows = each_row(answer, |_, row| {
        let name = if let Cell::Text(name) = &row[module] { name.clone() } else { "[unknown]".to_owned() };
        // Offsets have 32 bits; what is farther is a module of its own.
        let far = number(&row[offset]) & !u64::from(u32::MAX);
        let block = (number(&row[offset]) - far, number(&row[size]));
        blocks.entry((name, number(&row[base]).wrapping_add(far))).or_default().insert(block);
        Ok(())
    })?;
    modules(&blocks, out)?;
    let all: Vec<[u8; 8]> =
        blocks.values().enumerate().map(|(id, of)| records(id, of)).collect::<Result<Vec<_>, _>>()?.concat();
    writeln!(out, "BB Table: {} bbs", all.len())?;
    all.iter().try_for_each(|record| out.write_all(record))?;
    Ok(rows)
}

fn number(cell: &Cell) -> u64 {
    match cell {
        Cell::U(n) | Cell::Address(n) => *n,
        Cell::I(n) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    }
}

fn modules(blocks: &BTreeMap<Module, BTreeSet<(u64, u64)>>, out: &mut impl Write) -> Result<(), Error> {
    writeln!(out, "DRCOV VERSION: 2\nDRCOV FLAVOR: reenact")?;
    writeln!(out, "Module Table: version 2, count {}\nColumns: id, base, end, entry, path", blocks.len())?;
    for (id, ((name, base), of)) in blocks.iter().enumerate() {
        let end =
            of.iter().map(|(offset, size)| base.saturating_add(*offset).saturating_add(*size)).max().unwrap_or(*base);
        // A path with a line break would end the line.
        let name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        writeln!(out, "{id:3}, {base:#018x}, {end:#018x}, {:#018x}, {name}", 0)?;
    }
    Ok(())
}

/// The records of one module's blocks; a block that is too long for one becomes several.
fn records(id: usize, blocks: &BTreeSet<(u64, u64)>) -> Result<Vec<[u8; 8]>, Error> {
    let too_large = || Error::Shape("drcov holds 65,536 modules of 4 GiB each; select fewer rows".to_owned());
    let id = u16::try_from(id).map_err(|_| too_large())?;
    let mut records = Vec::with_capacity(blocks.len());
    for &(offset, size) in blocks {
        let mut done = 0;
        while done < size {
            let from = u32::try_from(offset.saturating_add(done)).map_err(|_| too_large())?;
            let length = (size - done).min(u16::MAX.into()) as u16;
            let mut record = [0; 8];
            record[..4].copy_from_slice(&from.to_le_bytes());
            record[4..6].copy_from_slice(&length.to_le_bytes());
            record[6..].copy_from_slice(&id.to_le_bytes());
            records.push(record);
            done += u64::from(length);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_blocks_become_several_and_far_ones_are_refused() {
        let expected = [[0x10, 0, 0, 0, 0xff, 0xff, 3, 0], [0x0f, 0, 1, 0, 1, 0, 3, 0]];
        assert_eq!(records(3, &BTreeSet::from([(0x10, 0x1_0000)])).unwrap(), expected);
        assert!(records(0, &BTreeSet::from([(1 << 32, 1)])).is_err());
        assert!(records(1 << 16, &BTreeSet::new()).is_err());
    }
}
