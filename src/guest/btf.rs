//! The kernel's own type information (BTF): found in its image, and asked where a member of a structure is.
//!
//! ```text
//! header   magic u16 EB9F | version u8 | flags u8 | header length u32 | types at u32, length u32 | strings at u32, length u32
//! type     name u32 | kind (bits 24..28), count (bits 0..15), flag (bit 31) u32 | size or type u32 | by kind: more
//! ```
//! Source: the kernel's Documentation/bpf/btf.rst.

use super::absent::{Known, Why};
use super::image::Image;
use super::memory::le_u32;
use super::symbols::Symbols;

/// The first bytes: magic, version 1, no flags, a header of 24 bytes, types right behind it.
const START: [u8; 12] = [0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0];
const HEADER: usize = 24;
/// Typedefs, qualifiers and anonymous members are followed no deeper.
const DEEPEST: usize = 32;

mod kind {
    pub const INT: u32 = 1;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
    pub const LAST: u32 = ENUM64;
}

/// All types of one kernel.
pub struct Types {
    bytes: Vec<u8>,
    strings: usize,
    /// Offset of each type's record, by id; id 0 is void.
    starts: Vec<u32>,
    /// Ids of structures and unions with a name, ascending by it.
    by_name: Vec<u32>,
}

/// Where a member is in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the structure's start.
    pub offset: u64,
    type_id: u32,
}

/// A type's record without what follows it.
#[derive(Clone, Copy)]
struct Record {
    at: usize,
    name: u32,
    kind: u32,
    count: usize,
    flag: bool,
    size_or_type: u32,
}

/// The types of the kernel in `image`: where its symbols say, or else where something looks like them.
pub fn find(image: &Image, symbols: &Symbols) -> Known<Types> {
    let by_symbols = || {
        let (start, stop) = (symbols.address("__start_BTF")?, symbols.address("__stop_BTF")?);
        Types::parse(image.bytes(start, usize::try_from(stop.checked_sub(start)?).ok()?)?)
    };
    let by_shape = || image.runs.iter().find_map(|run| at_shape(&run.bytes));
    let clue = "no BTF section in the kernel image".to_owned();
    by_symbols().or_else(by_shape).ok_or_else(|| Why::NoTypes { clue }.for_fact("kernel types"))
}

fn at_shape(bytes: &[u8]) -> Option<Types> {
    let starts = (0..bytes.len()).step_by(4).filter(|&at| bytes[at..].starts_with(&START));
    starts.filter_map(|at| Types::parse(bytes.get(at..)?)).next()
}

impl Types {
    /// From a BTF section, which may be followed by other bytes; `None` if it is not whole.
    pub fn parse(bytes: &[u8]) -> Option<Types> {
        let field = |at: usize| le_u32(bytes.get(at..)?).map(|value| value as usize);
        let (types_length, strings_at, strings_length) = (field(12)?, field(16)?, field(20)?);
        let is_header = bytes.starts_with(&START) && strings_at == types_length;
        let end = HEADER.checked_add(strings_at)?.checked_add(strings_length).filter(|_| is_header)?;
        let bytes = bytes.get(..end)?.to_vec();
        let mut types = Types { bytes, strings: HEADER + strings_at, starts: vec![0], by_name: Vec::new() };
        let mut at = HEADER;
        while at < types.strings {
            types.starts.push(at as u32);
            at += 12 + types.read(at).and_then(tail)?;
        }
        if at != types.strings || types.bytes.get(at) != Some(&0) {
            return None;
        }
        types.by_name = types.named();
        Some(types)
    }

    /// How many types there are.
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn named(&self) -> Vec<u32> {
        let is_named = |id: &u32| self.record(*id).is_some_and(|r| r.is_composite() && r.name != 0);
        let mut ids: Vec<u32> = (1..self.starts.len() as u32).filter(is_named).collect();
        ids.sort_by_key(|id| self.record(*id).map(|r| self.string(r.name)));
        ids
    }

    fn u32(&self, at: usize) -> Option<u32> {
        le_u32(self.bytes.get(at..self.strings)?)
    }

    fn read(&self, at: usize) -> Option<Record> {
        let (name, info, size_or_type) = (self.u32(at)?, self.u32(at + 4)?, self.u32(at + 8)?);
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        Some(Record { at, name, kind, count, flag: info >> 31 != 0, size_or_type })
    }

    fn record(&self, id: u32) -> Option<Record> {
        let at = *self.starts.get(id as usize).filter(|_| id != 0)?;
        self.read(at as usize)
    }

    /// The bytes of a string; empty if there is none at this offset.
    fn string(&self, offset: u32) -> &[u8] {
        let strings = self.bytes.get(self.strings..).unwrap_or_default();
        let bytes = strings.get(offset as usize..).unwrap_or_default();
        bytes.split(|&b| b == 0).next().unwrap_or_default()
    }

    /// The structure or union of this name; the largest, where an empty namesake exists.
    fn composite(&self, name: &str) -> Option<u32> {
        let name_of = |id: &u32| self.record(*id).map(|r| self.string(r.name)).unwrap_or_default();
        let start = self.by_name.partition_point(|id| name_of(id) < name.as_bytes());
        let same = self.by_name[start..].iter().take_while(|id| name_of(id) == name.as_bytes());
        same.copied().max_by_key(|id| self.record(*id).map_or(0, |r| r.size_or_type))
    }

    /// Follows typedefs and qualifiers.
    fn resolved(&self, mut id: u32) -> Option<Record> {
        for _ in 0..DEEPEST {
            let record = self.record(id)?;
            match record.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = record.size_or_type;
                }
                _ => return Some(record),
            }
        }
        None
    }

    /// Where `path` is in the structure `type_name`: names joined by dots, elements of arrays as `name[3]`. Anonymous
    /// members are looked into. Bit fields that do not start on a byte are not found.
    pub fn member(&self, type_name: &str, path: &str) -> Option<Place> {
        let mut place = Place { offset: 0, type_id: self.composite(type_name)? };
        for part in path.split('.') {
            let (name, index) = split_index(part)?;
            let member = self.member_of(self.resolved(place.type_id)?, name, 0)?;
            place = Place { offset: place.offset + member.offset, type_id: member.type_id };
            if let Some(index) = index {
                place = self.element(place, index)?;
            }
        }
        Some(place)
    }

    fn member_of(&self, composite: Record, name: &str, depth: usize) -> Option<Place> {
        if !composite.is_composite() || depth > DEEPEST {
            return None;
        }
        let members = (0..composite.count).map_while(|i| {
            let at = composite.at + 12 + 12 * i;
            Some((self.u32(at)?, self.u32(at + 4)?, self.u32(at + 8)?))
        });
        for (member_name, type_id, bits) in members {
            let bit = if composite.flag { bits & 0x00ff_ffff } else { bits };
            let offset = u64::from(bit / 8);
            if member_name == 0 {
                let inner = self.resolved(type_id).and_then(|r| self.member_of(r, name, depth + 1));
                if let Some(inner) = inner {
                    return Some(Place { offset: offset + inner.offset, type_id: inner.type_id });
                }
            } else if self.string(member_name) == name.as_bytes() {
                return (bit % 8 == 0).then_some(Place { offset, type_id });
            }
        }
        None
    }

    fn element(&self, array: Place, index: u32) -> Option<Place> {
        let record = self.resolved(array.type_id).filter(|r| r.kind == kind::ARRAY)?;
        let (type_id, count) = (self.u32(record.at + 12)?, self.u32(record.at + 20)?);
        let size = self.size(type_id).filter(|_| index < count)?;
        Some(Place { offset: array.offset + u64::from(index) * u64::from(size), type_id })
    }

    /// Bytes of a type that is not an array.
    fn size(&self, id: u32) -> Option<u32> {
        let record = self.resolved(id)?;
        match record.kind {
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => Some(record.size_or_type),
            // A pointer.
            2 => Some(8),
            _ => None,
        }
    }
}

impl Record {
    fn is_composite(&self) -> bool {
        matches!(self.kind, kind::STRUCT | kind::UNION)
    }
}

/// Bytes that follow a record.
fn tail(record: Record) -> Option<usize> {
    Some(match record.kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * record.count,
        kind::ENUM | kind::FUNC_PROTO => 8 * record.count,
        1..=kind::LAST => 0,
        _ => return None,
    })
}

/// `name[3]` to its name and index.
fn split_index(part: &str) -> Option<(&str, Option<u32>)> {
    match part.split_once('[') {
        None => Some((part, None)),
        Some((name, index)) => Some((name, Some(index.strip_suffix(']')?.parse().ok()?))),
    }
}
