//! What the guest printed, and how its console stood at a Moment.

use crate::moment::Moment;
use crate::session::Output;

/// Everything that was printed.
#[derive(Default)]
pub struct Console {
    bytes: Vec<u8>,
    /// For each Output, when it was sent and where its bytes end.
    ends: Vec<(Moment, usize)>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Console {
    /// From the recording's Outputs.
    pub fn of(outputs: &[Output]) -> Console {
        let mut console = Console { lines: vec![0], ..Console::default() };
        for output in outputs {
            for &byte in &output.bytes {
                console.bytes.push(byte);
                if byte == b'\n' {
                    console.lines.push(console.bytes.len());
                }
            }
            console.ends.push((output.at, console.bytes.len()));
        }
        console
    }

    /// Bytes printed until a Moment, that of the Moment's own Output included.
    fn printed(&self, at: Moment) -> usize {
        let outputs = self.ends.partition_point(|(moment, _)| *moment <= at);
        outputs.checked_sub(1).and_then(|last| self.ends.get(last)).map_or(0, |(_, end)| *end)
    }

    /// How many lines there are at a Moment; the last one may be empty or unfinished.
    pub fn count(&self, at: Moment) -> usize {
        let printed = self.printed(at);
        self.lines.partition_point(|&start| start <= printed)
    }

    /// A line as it stands at a Moment, without what steers a terminal.
    pub fn line(&self, number: usize, at: Moment) -> String {
        let start = self.lines.get(number).copied().unwrap_or(self.bytes.len());
        let end = self.lines.get(number + 1).copied().unwrap_or(self.bytes.len()).min(self.printed(at));
        plain(self.bytes.get(start..end).unwrap_or_default())
    }

    /// When the last byte of a line was printed.
    pub fn moment(&self, number: usize) -> Option<Moment> {
        let start = *self.lines.get(number)?;
        let end = self.lines.get(number + 1).copied().unwrap_or(self.bytes.len()).max(start + 1);
        let output = self.ends.partition_point(|(_, until)| *until < end);
        self.ends.get(output).or(self.ends.last()).map(|(moment, _)| *moment)
    }

    /// Bytes printed in each of `columns` equal parts of `from..to`.
    pub fn activity(&self, from: u64, to: u64, columns: usize) -> Vec<u64> {
        let mut counts = vec![0; columns];
        let first = self.ends.partition_point(|(moment, _)| moment.0 < from);
        let mut before = first.checked_sub(1).and_then(|i| self.ends.get(i)).map_or(0, |(_, end)| *end);
        for (moment, end) in self.ends.iter().skip(first).take_while(|(moment, _)| moment.0 < to) {
            let column = u128::from(moment.0 - from) * columns as u128 / u128::from((to - from).max(1));
            if let Some(count) = counts.get_mut(column as usize) {
                *count += (end - before) as u64;
            }
            before = *end;
        }
        counts
    }
}

/// The text that a terminal would show of a line: escape sequences are left out, a carriage return begins anew, a
/// backspace takes one back.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    let mut shown = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => skip_sequence(&mut chars),
            '\r' => shown.clear(),
            '\x08' => drop(shown.pop()),
            '\t' => shown.push_str(&" ".repeat(8 - shown.chars().count() % 8)),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

/// Passes over what follows ESC: `[`, parameters and a letter, or one character.
fn skip_sequence(chars: &mut std::str::Chars) {
    if chars.next() == Some('[') {
        let _ = chars.find(|c| c.is_ascii_alphabetic() || matches!(c, '@' | '~' | '`'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(parts: &[(u64, &str)]) -> Console {
        let output = |(at, text): &(u64, &str)| Output { at: Moment(*at), port: 0, bytes: text.as_bytes().to_vec() };
        Console::of(&parts.iter().map(output).collect::<Vec<_>>())
    }

    #[test]
    fn a_console_stands_as_it_did_at_a_moment() {
        let console = console(&[(10, "Lin"), (20, "ux 6\r\n"), (30, "init"), (40, "\n")]);
        let at = |moment| -> Vec<String> {
            let at = Moment(moment);
            (0..console.count(at)).map(|n| console.line(n, at)).collect()
        };
        assert_eq!(at(9), [""]);
        assert_eq!(at(10), ["Lin"]);
        assert_eq!(at(29), ["Linux 6", ""]);
        assert_eq!(at(30), ["Linux 6", "init"]);
        assert_eq!(at(99), ["Linux 6", "init", ""]);
        assert_eq!((console.moment(0), console.moment(1)), (Some(Moment(20)), Some(Moment(40))));
        assert_eq!(console.activity(0, 40, 4), [0, 3, 6, 4]);
    }

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(plain(b"\x1b[1;31mred\x1b[0m\tx\r\n"), "red     x");
        assert_eq!(plain(b"50%\r100%"), "100%");
        assert_eq!(plain(b"abc\x08d\x07"), "abd");
    }
}
