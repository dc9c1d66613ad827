//! Symbols as an ELF file without code: what gdb's `symbol-file` wants, for kernels that come without one.
//!
//! ```text
//! file header | symbols | strings | section names | section headers: null, .text, .modules, .symtab, .strtab, .shstrtab
//! ```
//! The first two sections have no bytes: they say where code is. Addresses are those of the running kernel, after KASLR.

use super::elf::{EXECUTABLE, Fields, HEADER, Tables, header};
use super::image::WINDOW;
use super::symbols::Symbols;
use std::ops::Range;

const SECTION_NAMES: &[u8] = b"\0.text\0.modules\0.symtab\0.strtab\0.shstrtab\0";
/// Offsets in `SECTION_NAMES`.
const NAMES: [u32; 5] = [1, 7, 16, 24, 32];
const SECTIONS: u16 = 6;
/// Bytes of an Elf64_Sym.
const SYMBOL: u64 = 24;
/// st_shndx of the two sections with code, and of values that are not addresses.
const IN_TEXT: u16 = 1;
const IN_MODULES: u16 = 2;
const ABSOLUTE: u16 = 0xfff1;
/// Where modules are loaded (Documentation/arch/x86/x86_64/mm.rst).
const MODULES: Range<u64> = WINDOW.end..0xffff_ffff_ff00_0000;

/// An ELF file with these symbols. `image` is where the kernel is ([`super::Profile::image`]); what is neither there nor
/// among the modules is written as an absolute value. Sizes reach to the next symbol.
pub fn symbol_file(symbols: &Symbols, image: &Range<u64>) -> Vec<u8> {
    let mut strings = vec![0];
    // The first symbol is null.
    let mut locals = Fields(vec![0; SYMBOL as usize]);
    let mut globals = Fields::default();
    let all = symbols.all();
    for (i, symbol) in all.iter().enumerate() {
        let next = all[i..].iter().map(|s| s.address).find(|a| *a != symbol.address);
        let section = section_of(symbol.address, image);
        let next = next.filter(|next| section != ABSOLUTE && section_of(*next, image) == section);
        let size = next.map_or(0, |next| next - symbol.address);
        let name = strings.len() as u32;
        strings.extend_from_slice(symbol.name.as_bytes());
        strings.push(0);
        let table = if symbol.kind.is_ascii_uppercase() { &mut globals } else { &mut locals };
        let fields = std::mem::take(table).u32(name).u8(info(symbol.kind)).u8(0);
        *table = fields.u16(section).u64(symbol.address).u64(size);
    }
    let first_global = locals.0.len() as u64 / SYMBOL;
    locals.0.append(&mut globals.0);
    assemble(&strings, &locals.0, first_global, image)
}

fn section_of(address: u64, image: &Range<u64>) -> u16 {
    match address {
        address if image.contains(&address) => IN_TEXT,
        address if MODULES.contains(&address) => IN_MODULES,
        _ => ABSOLUTE,
    }
}

/// Binding and type from the letter that nm would print.
fn info(kind: u8) -> u8 {
    const FUNCTION: u8 = 2;
    const OBJECT: u8 = 1;
    let binding = match kind {
        b'w' | b'W' | b'v' | b'V' => 2,
        kind => u8::from(kind.is_ascii_uppercase()),
    };
    let what = match kind {
        b't' | b'T' | b'w' | b'W' => FUNCTION,
        b'a' | b'A' => 0,
        _ => OBJECT,
    };
    binding << 4 | what
}

fn assemble(strings: &[u8], symbols: &[u8], first_global: u64, image: &Range<u64>) -> Vec<u8> {
    let symbols_at = HEADER;
    let strings_at = symbols_at + symbols.len() as u64;
    let names_at = strings_at + strings.len() as u64;
    let sections_at = (names_at + SECTION_NAMES.len() as u64).next_multiple_of(8);
    let mut file =
        header(EXECUTABLE, &Tables { sections: (sections_at, SECTIONS), names: SECTIONS - 1, ..Tables::default() });
    file.extend_from_slice(symbols);
    file.extend_from_slice(strings);
    file.extend_from_slice(SECTION_NAMES);
    file.resize(sections_at as usize, 0);
    // name, type, flags, address, offset, size, link, info, alignment, entry size
    let section = |name: u32, kind: u32, memory: Option<&Range<u64>>, at: u64, size: u64| {
        const ALLOC_EXECUTE: u64 = 2 | 4;
        let (flags, address) = memory.map_or((0, 0), |memory| (ALLOC_EXECUTE, memory.start));
        Fields::default().u32(name).u32(kind).u64(flags).u64(address).u64(at).u64(size)
    };
    let [text, modules, symtab, strtab, shstrtab] = NAMES;
    let (no_bits, symbol_table, string_table) = (8, 2, 3);
    file.extend([0; 64]);
    for (name, memory) in [(text, image), (modules, &MODULES)] {
        let code = section(name, no_bits, Some(memory), HEADER, memory.end - memory.start);
        file.extend(code.u32(0).u32(0).u64(4096).u64(0).0);
    }
    let table = section(symtab, symbol_table, None, symbols_at, symbols.len() as u64);
    file.extend(table.u32(u32::from(SECTIONS - 2)).u32(first_global as u32).u64(8).u64(SYMBOL).0);
    file.extend(section(strtab, string_table, None, strings_at, strings.len() as u64).u32(0).u32(0).u64(1).u64(0).0);
    let names = section(shstrtab, string_table, None, names_at, SECTION_NAMES.len() as u64);
    file.extend(names.u32(0).u32(0).u64(1).u64(0).0);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Symbol;
    use goblin::elf::Elf;

    #[test]
    fn every_symbol_is_in_the_file_with_its_address_size_and_kind() {
        const BASE: u64 = 0xffff_ffff_8100_0000;
        const MODULE: u64 = 0xffff_ffff_c012_3000;
        let kernel = [(BASE, b'T', "_text"), (BASE, b't', "alias"), (BASE + 0x40, b'd', "data")];
        let others = [(0x1234, b'A', "value"), (MODULE, b't', "start"), (MODULE + 8, b't', "stop")];
        let all = kernel.into_iter().chain(others);
        let symbols = all.map(|(address, kind, name)| Symbol { address, kind, name: name.to_owned() });
        let file = symbol_file(&Symbols::new(symbols), &(BASE..BASE + 0x1000));
        let elf = Elf::parse(&file).expect("an ELF file");
        let found: Vec<_> = elf
            .syms
            .iter()
            .skip(1)
            .map(|s| (elf.strtab.get_at(s.st_name).expect("a name"), s.st_value, s.st_size, s.st_info, s.st_shndx))
            .collect();
        let expected = [
            ("alias", BASE, 0x40, 2, 1),
            ("data", BASE + 0x40, 0, 1, 1),
            ("start", MODULE, 8, 2, 2),
            ("stop", MODULE + 8, 0, 2, 2),
            ("value", 0x1234, 0, 0x10, 0xfff1),
            ("_text", BASE, 0x40, 0x12, 1),
        ];
        assert_eq!(found, expected);
        let symtab = elf.section_headers.iter().find(|s| s.sh_type == 2).expect("a symbol table");
        assert_eq!(symtab.sh_info, 5, "the first global symbol, the null symbol counted");
        let text = &elf.section_headers[1];
        assert_eq!(elf.shdr_strtab.get_at(text.sh_name), Some(".text"));
        assert_eq!(elf.shdr_strtab.get_at(elf.section_headers[2].sh_name), Some(".modules"));
        assert_eq!((text.sh_addr, text.sh_size, text.sh_type), (BASE, 0x1000, 8));
    }
}
