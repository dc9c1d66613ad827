//! A line of text that is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The line, and where the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: Vec<char>,
    cursor: usize,
}

/// Characters that a line may have: more is pasted by mistake.
const LONGEST: usize = 4096;

impl Input {
    /// A line that has text already.
    pub fn new(text: &str) -> Input {
        let text: Vec<char> = text.chars().take(LONGEST).collect();
        Input { cursor: text.len(), text }
    }

    /// What was typed.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Characters in front of the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Adds text at the cursor.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() < LONGEST {
                self.text.insert(self.cursor, c);
                self.cursor += 1;
            }
        }
    }

    /// True if the key changed the line or moved in it.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if is_control => drop(self.text.drain(..std::mem::take(&mut self.cursor))),
            KeyCode::Char('w') if is_control => self.delete_word(),
            KeyCode::Char('a') if is_control => self.cursor = 0,
            KeyCode::Char('e') if is_control => self.cursor = self.text.len(),
            KeyCode::Char(_) if is_control => return false,
            KeyCode::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.text.len() => drop(self.text.remove(self.cursor)),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn delete_word(&mut self) {
        let is_space = |c: &char| c.is_whitespace();
        let head = self.text.get(..self.cursor).unwrap_or_default();
        let word_end = head.iter().rposition(|c| !is_space(c)).map_or(0, |i| i + 1);
        let start = head.iter().take(word_end).rposition(is_space).map_or(0, |i| i + 1);
        self.text.drain(start..self.cursor);
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_where_the_cursor_is() {
        let mut input = Input::new("one two");
        let mut press = |code, modifiers| input.key(&KeyEvent::new(code, modifiers));
        assert!(press(KeyCode::Left, KeyModifiers::NONE));
        assert!(press(KeyCode::Char('X'), KeyModifiers::SHIFT));
        assert!(press(KeyCode::Backspace, KeyModifiers::NONE));
        assert!(press(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert!(!press(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!press(KeyCode::Enter, KeyModifiers::NONE));
        assert_eq!((input.text(), input.cursor()), ("one o".to_owned(), 4));
    }
}
