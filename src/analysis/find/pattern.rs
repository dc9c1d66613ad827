//! What is looked for: bytes, or a regular expression over bytes.

use crate::cpu::phys::PAGE;
use regex::bytes::{Regex, RegexBuilder};

/// The most bytes that can be looked for as they are.
pub const LONGEST: usize = PAGE as usize;
/// How far a match of a regular expression may reach into the page behind that in which it begins.
pub const REACH: usize = 256;

/// Why something cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// No bytes.
    #[error("there is nothing to look for: give at least one byte")]
    Empty,
    /// Too many.
    #[error("{0} bytes cannot be looked for at once: give at most {LONGEST} of them, such as the first ones")]
    TooLong(usize),
    /// It would be found everywhere.
    #[error(
        "the expression matches where there is nothing: write it so that a match has at least one byte (+ in the place of *)"
    )]
    MatchesNothing,
    /// Not an expression.
    #[error(transparent)]
    Syntax(#[from] regex::Error),
}

/// What is looked for.
pub struct Pattern {
    regex: Regex,
    /// Finds may overlap: those of fixed bytes.
    is_fixed: bool,
    /// Bytes of the next page that a match may have.
    reach: usize,
}

impl Pattern {
    /// These bytes.
    ///
    /// # Errors
    /// When there are none, or more than a page.
    pub fn bytes(bytes: &[u8]) -> Result<Pattern, PatternError> {
        match bytes.len() {
            0 => return Err(PatternError::Empty),
            1..=LONGEST => {}
            more => return Err(PatternError::TooLong(more)),
        }
        let escaped: String = bytes.iter().map(|b| format!("\\x{b:02x}")).collect();
        let regex = RegexBuilder::new(&escaped).unicode(false).build()?;
        Ok(Pattern { regex, is_fixed: true, reach: bytes.len() - 1 })
    }
    /// Whatever a regular expression matches.
    ///
    /// # Errors
    /// When it is none, or matches the empty text.
    pub fn regex(expression: &str) -> Result<Pattern, PatternError> {
        let regex = RegexBuilder::new(expression).build()?;
        if regex.is_match(b"") {
            return Err(PatternError::MatchesNothing);
        }
        Ok(Pattern { regex, is_fixed: false, reach: REACH })
    }
    /// Bytes of the page behind that belong to the window of a page.
    pub fn reach(&self) -> usize {
        self.reach
    }
    /// Matches that begin in the first page of `window`: where, ascending, and where they end.
    pub fn starts<'a>(&'a self, window: &'a [u8]) -> impl Iterator<Item = (u16, usize)> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let found = self.regex.find_at(window, at)?;
                at = if self.is_fixed || found.is_empty() { found.start() + 1 } else { found.end() };
                if found.start() >= PAGE as usize || at > window.len() {
                    return None;
                }
                if !found.is_empty() {
                    return Some((found.start() as u16, found.end()));
                }
            }
        })
    }
    /// The match that begins at `start`, if there is one: where it ends.
    pub fn at(&self, window: &[u8], start: usize) -> Option<usize> {
        let found = self.regex.find_at(window, start)?;
        (found.start() == start && !found.is_empty()).then_some(found.end())
    }
}
