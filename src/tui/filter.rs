//! Filters as they are typed: words that a row must have, and conditions on columns; as SQL, and on a row itself.
//!
//! ```text
//! passwd write        rows with both words in any of their columns
//! comm=cat ret<0      and with these values; also != > >= <= and ~ for "has in it"
//! path="a b"          quotes keep spaces
//! ```

use super::rows::{Cell, Column};

/// What a column is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `!=`
    Differs,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `~`: has this in it.
    Has,
}

/// One condition; all must be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Any column has this in it, without regard to capital letters.
    Word(String),
    /// A column compares like this with a value.
    Column(String, Relation, String),
}

/// Longer ones first: `>=` is not `>` and a value that begins with `=`.
const RELATIONS: [(&str, Relation); 7] = [
    ("!=", Relation::Differs),
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    ("=", Relation::Equal),
    (">", Relation::Greater),
    ("<", Relation::Less),
    ("~", Relation::Has),
];

/// The conditions of a filter; what is no condition on a column of the table is a word.
pub fn parse(text: &str, columns: &[Column]) -> Vec<Condition> {
    words(text).into_iter().map(|word| condition(word, columns)).collect()
}

fn condition(word: String, columns: &[Column]) -> Condition {
    let at = word.find(['=', '!', '>', '<', '~']);
    if let Some((name, rest)) = at.map(|at| word.split_at(at))
        && let Some(column) = columns.iter().find(|c| c.name == name)
        && let Some((sign, relation)) = RELATIONS.iter().find(|(sign, _)| rest.starts_with(sign))
    {
        return Condition::Column(column.name.clone(), *relation, rest[sign.len()..].to_owned());
    }
    Condition::Word(word)
}

/// Split at spaces that are not in quotes; quotes are left out.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, is_number| Column { name: name.to_owned(), about: String::new(), is_number };
        vec![column("moment", true), column("comm", false), column("ret", true)]
    }

    #[test]
    fn words_and_conditions_become_sql() {
        let as_sql = |text: &str| sql(&parse(text, &columns()), &columns());
        assert_eq!(as_sql("  "), None);
        assert_eq!(as_sql("comm=cat ret<0").as_deref(), Some("\"comm\" = 'cat' AND \"ret\" < 0"));
        assert_eq!(as_sql("ret>=0x10").as_deref(), Some("\"ret\" >= 16"));
        assert_eq!(
            as_sql("O'Hara").as_deref(),
            Some("(strpos(lower(cast(\"comm\" as varchar)), 'o''hara') > 0)"),
            "quotes stay inside"
        );
        assert_eq!(as_sql("ret=x").as_deref(), Some("false"), "no number equals a word");
        assert_eq!(as_sql("path=/a").as_deref(), Some("(strpos(lower(cast(\"comm\" as varchar)), 'path=/a') > 0)"));
    }

    #[test]
    fn a_row_is_judged_as_sql_would() {
        let row = [Cell::U(1000), Cell::Text("cat a.txt".into()), Cell::I(-2)];
        let accepts = |text: &str| accepts(&parse(text, &columns()), &columns(), &row);
        for text in ["", "CAT", "1,000", "comm~A.T", "ret<0 moment>=1000", "comm=\"cat a.txt\"", "-2"] {
            assert!(accepts(text), "{text}");
        }
        for text in ["dog", "ret>0", "comm=cat", "cat dog", "ret=none", "999"] {
            assert!(!accepts(text), "{text}");
        }
    }
}
