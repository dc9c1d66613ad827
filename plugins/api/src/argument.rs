//! Arguments of a plugin: `reenact run R PLUGIN key=value ...`.

use std::collections::BTreeMap;

/// An argument that a plugin takes.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// The key.
    pub name: &'static str,
    /// What it says, what it defaults to, an example.
    pub about: &'static str,
}

/// What is wrong with an argument; a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError(pub String);

impl std::fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ArgumentError {}

/// The arguments of one run, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// From `key=value` words.
    ///
    /// # Errors
    /// A word without `=`, a key twice, or one that is not among `known`.
    pub fn parse(words: &[String], known: &[Argument]) -> Result<Arguments, ArgumentError> {
        let mut map = BTreeMap::new();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(ArgumentError(format!("argument {word:?} is not of the form key=value")));
            };
            if !known.iter().any(|a| a.name == key) {
                return Err(ArgumentError(unknown(key, known)));
            }
            if map.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(ArgumentError(format!("argument {key} is given twice")));
            }
        }
        Ok(Arguments(map))
    }
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
    /// The number of a key, decimal or with 0x in hex.
    ///
    /// # Errors
    /// When it is no number.
    pub fn number(&self, key: &str) -> Result<Option<u64>, ArgumentError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let number = number(text).ok_or_else(|| ArgumentError(format!("{key}={text}: {text:?} is not a number")))?;
        Ok(Some(number))
    }
}

fn unknown(key: &str, known: &[Argument]) -> String {
    let names: Vec<&str> = known.iter().map(|a| a.name).collect();
    match names.as_slice() {
        [] => format!("there is no argument {key:?}: this plugin takes none"),
        names => format!("there is no argument {key:?}: this plugin takes {}", names.join(", ")),
    }
}

/// A number, decimal or with 0x in hex.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Argument] =
        &[Argument { name: "from", about: "" }, Argument { name: "len", about: "bytes, default 8" }];

    fn parse(words: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(&words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>(), KNOWN)
    }

    #[test]
    fn numbers_are_decimal_or_hex() {
        let arguments = parse(&["from=0xffff800000000000", "len=16"]).unwrap();
        assert_eq!(arguments.number("from"), Ok(Some(0xffff_8000_0000_0000)));
        assert_eq!(arguments.number("len"), Ok(Some(16)));
        assert!(parse(&["len=many"]).unwrap().number("len").is_err());
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is() {
        let error = parse(&["form=1"]).unwrap_err().0;
        assert_eq!(error, "there is no argument \"form\": this plugin takes from, len");
        assert!(parse(&["from=1", "from=2"]).unwrap_err().0.contains("twice"));
        assert!(parse(&["from"]).is_err());
    }
}
