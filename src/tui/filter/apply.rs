//! What a filter is applied with: an SQL expression for tables on the disk, and a judgement on rows at hand.

use super::super::rows::{Cell, Column};
use super::{Condition, Relation};

/// A number, decimal or with 0x in hex; digits may be grouped.
fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(i128::from),
        None => text.replace([',', '_'], "").parse().ok(),
    }
}

/// The conditions as an SQL expression; `None` if there are none.
pub fn sql(conditions: &[Condition], columns: &[Column]) -> Option<String> {
    let all: Vec<String> = conditions.iter().map(|condition| expression(condition, columns)).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

fn expression(condition: &Condition, columns: &[Column]) -> String {
    match condition {
        Condition::Word(word) => {
            let mut any: Vec<String> = columns.iter().filter(|c| !c.is_number).map(|c| has(&c.name, word)).collect();
            if let Some(number) = number(word) {
                any.extend(columns.iter().filter(|c| c.is_number).map(|c| format!("{} = {number}", quoted(&c.name))));
            }
            if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" OR ")) }
        }
        Condition::Column(name, Relation::Has, value) => has(name, value),
        Condition::Column(name, relation, value) => {
            let sign = match relation {
                Relation::Equal | Relation::Has => "=",
                Relation::Differs => "<>",
                Relation::Greater => ">",
                Relation::Less => "<",
                Relation::AtLeast => ">=",
                Relation::AtMost => "<=",
            };
            let is_number = columns.iter().any(|c| c.name == *name && c.is_number);
            match number(value).filter(|_| is_number) {
                Some(number) => format!("{} {sign} {number}", quoted(name)),
                None if is_number => "false".to_owned(),
                None => format!("{} {sign} {}", quoted(name), literal(value)),
            }
        }
    }
}

fn has(column: &str, text: &str) -> String {
    format!("strpos(lower(cast({} as varchar)), {}) > 0", quoted(column), literal(&text.to_lowercase()))
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', ""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The same on a row that is at hand.
pub fn accepts(conditions: &[Condition], columns: &[Column], row: &[Cell]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::Word(word) => {
            let word = word.to_lowercase();
            let number = number(&word);
            columns.iter().zip(row).any(|(column, cell)| match (column.is_number, number) {
                (true, Some(number)) => cell.number() == Some(number),
                (true, None) => false,
                (false, _) => cell.to_string().to_lowercase().contains(&word),
            })
        }
        Condition::Column(name, relation, value) => {
            let cell = columns.iter().zip(row).find(|(column, _)| column.name == *name).map(|(_, cell)| cell);
            cell.is_some_and(|cell| compare(cell, *relation, value))
        }
    })
}

fn compare(cell: &Cell, relation: Relation, value: &str) -> bool {
    if *cell == Cell::Null {
        return false;
    }
    let order = match (cell.number(), number(value)) {
        (Some(cell), Some(value)) => cell.cmp(&value),
        (Some(_), None) => return false,
        (None, _) => cell.to_string().as_str().cmp(value),
    };
    match relation {
        Relation::Equal => order.is_eq(),
        Relation::Differs => order.is_ne(),
        Relation::Greater => order.is_gt(),
        Relation::Less => order.is_lt(),
        Relation::AtLeast => order.is_ge(),
        Relation::AtMost => order.is_le(),
        Relation::Has => cell.to_string().to_lowercase().contains(&value.to_lowercase()),
    }
}
