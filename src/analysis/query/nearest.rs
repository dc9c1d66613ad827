//! The name that somebody who mistyped one probably meant.

/// The candidate that takes the fewest changes, if that is few enough to be meant; of several, the first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let far = name.chars().count().div_ceil(2).max(1);
    let all = candidates.into_iter().map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate));
    all.filter(|(changes, _)| *changes <= far).min_by_key(|(changes, _)| *changes).map(|(_, candidate)| candidate)
}

/// Characters to insert, to leave out, to change or to swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above = &rows[i - 1];
            let mut least = (above[j - 1] + usize::from(a[i - 1] != b[j - 1])).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_something_else_is_not() {
        let names = ["syscalls", "switches", "files", "writes"];
        for (typed, meant) in
            [("syscall", "syscalls"), ("sycsalls", "syscalls"), ("Wrties", "writes"), ("file", "files")]
        {
            assert_eq!(nearest(typed, names), Some(meant));
        }
        assert_eq!(nearest("interrupts", names), None);
        assert_eq!(nearest("", names), None);
    }
}
