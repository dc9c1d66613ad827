//! Texts that are kept once each, known by their number: what a dictionary page of Parquet holds.
//!
//! The texts come from a guest, which may choose ones whose hashes collide: after a few tries a text is kept a second
//! time rather than looked for any longer.

/// Places that are tried for one text.
const TRIES: usize = 16;
/// A place that holds nothing.
const FREE: u32 = u32::MAX;

/// Texts by number, from 0.
#[derive(Clone, Default)]
pub struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<u32>,
    last: u32,
}

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    /// The text of a number.
    pub fn get(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[from..self.ends[at]]
    }
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.bytes.len() + 8 * self.ends.len() + 4 * self.places.len()
    }
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.places.fill(FREE);
        self.last = 0;
    }

    /// The number of a text, which is kept if it is new.
    #[inline]
    pub fn number(&mut self, text: &[u8]) -> u32 {
        if (self.last as usize) < self.ends.len() && is_same(self.get(self.last), text) {
            return self.last;
        }
        self.last = self.look_up(text);
        self.last
    }

    fn look_up(&mut self, text: &[u8]) -> u32 {
        if self.ends.len() * 2 >= self.places.len() {
            self.grow();
        }
        let mask = self.places.len() - 1;
        let mut at = hash(text) as usize & mask;
        for _ in 0..TRIES {
            match self.places[at] {
                FREE => {
                    let number = self.keep(text);
                    self.places[at] = number;
                    return number;
                }
                number if self.get(number) == text => return number,
                _ => at = (at + 1) & mask,
            }
        }
        self.keep(text)
    }

    fn keep(&mut self, text: &[u8]) -> u32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.ends.len() as u32 - 1
    }

    fn grow(&mut self) {
        let mask = (self.places.len() * 2).max(64) - 1;
        self.places.clear();
        self.places.resize(mask + 1, FREE);
        for number in 0..self.ends.len() as u32 {
            let mut at = hash(self.get(number)) as usize & mask;
            for _ in 0..TRIES {
                if self.places[at] == FREE {
                    self.places[at] = number;
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }
}

/// As `==`, without a call for short ones.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        (Some(first), Some(other)) if a.len() <= 16 => {
            a.len() == b.len() && first == other && a.last_chunk::<8>() == b.last_chunk()
        }
        (Some(_), Some(_)) => a == b,
        (None, None) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b),
        _ => false,
    }
}

/// Eight bytes at a time: multiply, and bring the high bits down.
fn hash(text: &[u8]) -> u64 {
    let mut chunks = text.chunks_exact(8);
    let mut state = text.len() as u64;
    for chunk in &mut chunks {
        state = mix(state ^ u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(state ^ u64::from_le_bytes(rest))
}

/// A multiplication whose high half comes down.
#[inline]
pub fn mix(value: u64) -> u64 {
    let wide = u128::from(value ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15;
    (wide as u64) ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_number_and_others_another() {
        let mut names = Names::default();
        let texts: Vec<String> = (0..5000).map(|n| format!("name {n}")).collect();
        let numbers: Vec<u32> = texts.iter().map(|t| names.number(t.as_bytes())).collect();
        for (text, number) in texts.iter().zip(&numbers) {
            assert_eq!(names.get(*number), text.as_bytes());
        }
        let again: Vec<u32> = texts.iter().map(|t| names.number(t.as_bytes())).collect();
        let same = numbers.iter().zip(&again).filter(|(a, b)| a == b).count();
        assert!(same > 4990, "{same} of 5000 were found again");
        names.clear();
        assert_eq!((names.number(b""), names.number(b"x"), names.number(b"")), (0, 1, 0));
        let text = b"0123456789abcdefghij";
        for (a, b) in (0..=20).flat_map(|a| (0..=20).map(move |b| (a, b))) {
            assert_eq!(is_same(&text[..a], &text[..b]), a == b);
            let mut other = text[..a].to_vec();
            other.iter_mut().skip(b).take(1).for_each(|byte| *byte = b'x');
            assert_eq!(is_same(&text[..a], &other), b >= a);
        }
    }
}
