//! A union of ranges, each with the earliest Moment of what it was made from.

use std::collections::BTreeMap;

/// Disjoint ranges that do not touch each other: by their first, with the one behind the last and the Moment.
#[derive(Default)]
pub struct Ranges(BTreeMap<u64, (u64, u64)>);

impl Ranges {
    /// Adds `from..to`.
    pub fn add(&mut self, mut from: u64, mut to: u64, mut moment: u64) {
        // From the last that begins at or before its end, backwards, as long as they touch.
        while let Some((&begin, &(end, first))) = self.0.range(..=to).next_back() {
            if end < from {
                break;
            }
            self.0.remove(&begin);
            (from, to, moment) = (from.min(begin), to.max(end), moment.min(first));
        }
        self.0.insert(from, (to, moment));
    }
    /// All of them: first, behind the last, Moment.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.0.iter().map(|(&from, &(to, moment))| (from, to, moment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_is_the_same_in_any_order() {
        let parts =
            [(10, 20, 5), (20, 25, 3), (40, 50, 9), (44, 46, 1), (30, 31, 7), (60, 70, 2), (55, 60, 4), (8, 12, 6)];
        let whole = [(8, 25, 3), (30, 31, 7), (40, 50, 1), (55, 70, 2)];
        for turn in 0..parts.len() {
            let mut ranges = Ranges::default();
            for i in 0..parts.len() {
                let (from, to, moment) = parts[(i * 3 + turn) % parts.len()];
                ranges.add(from, to, moment);
            }
            assert_eq!(ranges.iter().collect::<Vec<_>>(), whole, "turn {turn}");
        }
    }
}
