//! Bytes as a quoted text, escaped as in C.

use std::fmt::Write;

/// Writes bytes between quotes, with `...` behind them where they go on.
pub fn quoted(bytes: &[u8], goes_on: bool, into: &mut String) {
    into.push('"');
    for (k, &byte) in bytes.iter().enumerate() {
        escaped(byte, bytes.get(k + 1).copied(), into);
    }
    into.push_str(if goes_on { "\"..." } else { "\"" });
}

/// Writes bytes between quotes, all of them in hex.
pub fn quoted_hex(bytes: &[u8], goes_on: bool, into: &mut String) {
    into.push('"');
    bytes.iter().for_each(|byte| write!(into, "\\x{byte:02x}").expect("a text grows"));
    into.push_str(if goes_on { "\"..." } else { "\"" });
}

fn escaped(byte: u8, next: Option<u8>, into: &mut String) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x0b => b'v',
        0x0c => b'f',
        b' '..=b'~' => return into.push(byte.into()),
        // As short as the byte behind allows.
        _ if next.is_some_and(|n| n.is_ascii_digit()) => return write!(into, "\\{byte:03o}").expect("a text grows"),
        _ => return write!(into, "\\{byte:o}").expect("a text grows"),
    };
    into.push('\\');
    into.push(letter.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_as_short_as_can_be() {
        let mut text = String::new();
        quoted(b"a\"b\\\n\x001\x00x\xff", true, &mut text);
        assert_eq!(text, r#""a\"b\\\n\0001\0x\377"..."#);
        text.clear();
        quoted_hex(&[1, 0xab], false, &mut text);
        assert_eq!(text, r#""\x01\xab""#);
    }
}
