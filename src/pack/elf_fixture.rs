//! Builds small ELF files for tests: one loadable segment, and the dynamic section that a test asks for.

/// What the file says about itself; the rest is fixed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ElfFixture<'a> {
    pub interpreter: Option<&'a str>,
    pub needed: &'a [&'a str],
    pub rpath: Option<&'a str>,
    pub runpath: Option<&'a str>,
}

const DYNAMIC_AT: u64 = 64 + 3 * 56;

impl ElfFixture<'_> {
    /// The bytes of an x86-64 shared object whose addresses equal its file offsets.
    pub fn build(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut intern = |text: &str| {
            let at = strings.len() as u64;
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let mut dynamic: Vec<(u64, u64)> = self.needed.iter().map(|name| (1, intern(name))).collect();
        dynamic.extend(self.rpath.map(|path| (15, intern(path))));
        dynamic.extend(self.runpath.map(|path| (29, intern(path))));
        let interpreter_at = self.interpreter.map(&mut intern);
        let strings_at = DYNAMIC_AT + 16 * (dynamic.len() as u64 + 3);
        dynamic.extend([(5, strings_at), (10, strings.len() as u64), (0, 0)]);
        let end = strings_at + strings.len() as u64;

        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        [0, 64, 0].iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
        let segments = if self.interpreter.is_some() { 3 } else { 2 };
        bytes.extend(0_u32.to_le_bytes());
        [64, 56, segments, 64, 0, 0].iter().for_each(|half: &u16| bytes.extend(half.to_le_bytes()));
        segment(&mut bytes, 1, 0, end);
        segment(&mut bytes, 2, DYNAMIC_AT, strings_at - DYNAMIC_AT);
        let (at, length) =
            interpreter_at.zip(self.interpreter).map_or((0, 0), |(at, text)| (strings_at + at, text.len() + 1));
        segment(&mut bytes, 3, at, length as u64);
        for (tag, value) in dynamic {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(strings);
        bytes
    }
}

fn segment(bytes: &mut Vec<u8>, kind: u32, at: u64, length: u64) {
    bytes.extend(kind.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    [at, at, at, length, length, 1].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
}
