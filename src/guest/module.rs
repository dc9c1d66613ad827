//! Loaded modules and their symbols.

use super::absent::{Known, Why};
use super::layout::Member;
use super::memory::{le_u16, le_u32, le_u64};
use super::symbols::{Symbol, Symbols};
use super::view::{Object, View, lossy};
use std::ops::Range;

/// `MODULE_NAME_LEN`.
const LONGEST_NAME: usize = 56;
/// Longest symbol name (`KSYM_NAME_LEN`).
const LONGEST_SYMBOL: usize = 512;
/// Bytes of an Elf64_Sym.
const ELF_SYMBOL: usize = 24;
/// More symbols than any module has.
const MOST_SYMBOLS: u32 = 1 << 20;
/// Parts of a module since 6.4: text first.
const PARTS: [(Member, Member); 7] = [
    (Member::ModuleMem0Base, Member::ModuleMem0Size),
    (Member::ModuleMem1Base, Member::ModuleMem1Size),
    (Member::ModuleMem2Base, Member::ModuleMem2Size),
    (Member::ModuleMem3Base, Member::ModuleMem3Size),
    (Member::ModuleMem4Base, Member::ModuleMem4Size),
    (Member::ModuleMem5Base, Member::ModuleMem5Size),
    (Member::ModuleMem6Base, Member::ModuleMem6Size),
];

/// Whether a module is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In use.
    Live,
    /// Its start function runs.
    Coming,
    /// It is being removed.
    Going,
    /// It is being put together.
    Unformed,
}

/// A loaded module.
pub struct Module<'v> {
    object: Object<'v>,
    /// Its name.
    pub name: String,
    /// Whether it is in use.
    pub phase: Phase,
    /// Where its code and data are; the first starts at the address that /proc/modules gives. Empty parts are left out.
    pub parts: Vec<Range<u64>>,
    /// Its size as /proc/modules gives it, in bytes.
    pub bytes: u64,
}

impl<'v> View<'v> {
    /// The loaded modules, the newest first.
    pub fn modules(&'v self) -> Known<Vec<Module<'v>>> {
        let list = self.global("modules")?.ring(Member::ModuleList)?;
        list.into_iter().map(Module::of).collect()
    }

    /// The symbols of all modules, as far as they can be read.
    pub fn module_symbols(&'v self) -> Vec<Symbol> {
        let modules = self.modules().unwrap_or_default();
        modules.iter().filter_map(|module| module.symbols().ok()).flatten().collect()
    }
    /// The symbols of the kernel and of all modules together, as far as they can be read.
    pub fn all_symbols(&'v self) -> Symbols {
        Symbols::new(self.profile.symbols.all().iter().cloned().chain(self.module_symbols()))
    }
}

impl<'v> Module<'v> {
    fn of(object: Object<'v>) -> Known<Module<'v>> {
        let (parts, bytes) = parts(object)?;
        let phase = match object.u32(Member::ModuleState)? {
            0 => Phase::Live,
            1 => Phase::Coming,
            2 => Phase::Going,
            3 => Phase::Unformed,
            _ => return Err(Why::Broken { at: object.at, expected: "a module" }.for_fact("modules")),
        };
        Ok(Module { object, name: object.text(Member::ModuleName, LONGEST_NAME)?, phase, parts, bytes })
    }

    /// Where its `struct module` is.
    pub fn address(&self) -> u64 {
        self.object.at
    }

    /// Its symbols, by their names in the module.
    pub fn symbols(&self) -> Known<Vec<Symbol>> {
        let table = self.object.pointer(Member::ModuleKallsyms)?;
        let count = table.u32(Member::KallsymsCount)?;
        if count > MOST_SYMBOLS {
            return Err(Why::Broken { at: table.at, expected: "a symbol table" }.for_fact("module symbols"));
        }
        let space = table.view.kernel();
        let records = space.bytes(table.pointer(Member::KallsymsSymbols)?.at, count as usize * ELF_SYMBOL)?;
        let strings = table.pointer(Member::KallsymsStrings)?.at;
        let kinds = table.pointer(Member::KallsymsKinds).and_then(|kinds| space.bytes(kinds.at, count as usize));
        let kind = |i: usize| kinds.as_ref().ok().and_then(|k| k.get(i)).copied().unwrap_or(b'?');
        let mut found = Vec::new();
        for (i, record) in records.chunks_exact(ELF_SYMBOL).enumerate() {
            let Some((name, section, address)) = elf_symbol(record) else { continue };
            // Undefined ones belong to somebody else; those without a name are of no use.
            if name == 0 || section == 0 {
                continue;
            }
            let name = lossy(&space.string(strings.wrapping_add(u64::from(name)), LONGEST_SYMBOL)?);
            found.push(Symbol { address, kind: kind(i), name });
        }
        Ok(found)
    }
}

/// Name, section and value of an Elf64_Sym.
fn elf_symbol(record: &[u8]) -> Option<(u32, u16, u64)> {
    Some((le_u32(record)?, le_u16(record.get(6..)?)?, le_u64(record.get(8..)?)?))
}

fn parts(module: Object) -> Known<(Vec<Range<u64>>, u64)> {
    let part = |base: Member, size: Member| Ok((module.u64(base)?, module.u32(size)?));
    if let Ok((base, size)) = part(Member::ModuleCoreBase, Member::ModuleCoreSize) {
        let start_only = module.u32(Member::ModuleInitSize)?;
        let core = base..base.saturating_add(size.into());
        return Ok((vec![core], u64::from(size) + u64::from(start_only)));
    }
    let parts: Vec<(u64, u32)> = PARTS.into_iter().map(|(base, size)| part(base, size)).collect::<Known<_>>()?;
    let bytes = parts.iter().map(|(_, size)| u64::from(*size)).sum();
    let used = parts.into_iter().filter(|(_, size)| *size != 0);
    Ok((used.map(|(base, size)| base..base.saturating_add(size.into())).collect(), bytes))
}
