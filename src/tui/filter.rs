//! Filters as they are typed: words that a row must have, and conditions on columns; as SQL, and on a row itself.
//!
//! ```text
//! passwd write        rows with both words in any of their columns
//! comm=cat ret<0      and with these values; also != > >= <= and ~ for "has in it"
//! path="a b"          quotes keep spaces
//! ```

#[cfg(any(feature = "query", test))]
mod apply;

use super::rows::Column;
#[cfg(any(feature = "query", test))]
pub use apply::{accepts, sql};

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

#[cfg(test)]
mod tests {
    use super::super::rows::Cell;
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
