//! Finds the recorded program in the guest: when its own first instruction runs, in which address space, and where it
//! was loaded.
//!
//! Nothing of the kernel has to be known for it. A guest maps a program's code straight from the file in its RAM, so the
//! page of the file with the entry point is searched in RAM as it is at the end, and the first time that this physical
//! page executes its entry point in user mode is the place. The auxiliary vector is on the stack there (System V ABI for
//! AMD64, 3.4.1), for dynamically linked programs too, whose loader has run by then and left the stack pointer as it was.

use super::{Arrival, Breakpoint, Destination, Direction, Error, Memory, Place, Position, Seat, Stops};
use crate::cpu::phys::PAGE;
use crate::cpu::state::gpr;
use crate::moment::Moment;
use goblin::elf::Elf;
use goblin::elf::header::{ELFMAG, EM_X86_64};
use goblin::elf::program_header::PT_LOAD;
use std::path::PathBuf;

/// The recorded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file on this host.
    pub path: PathBuf,
    /// In front of its own first instruction: `_start`, behind the work of the dynamic loader.
    pub start: Position,
    /// Its address space: CR3 without flag bits.
    pub root: u64,
    /// What was added to the addresses in the file: 0 unless it is position-independent.
    pub bias: u64,
    /// The auxiliary vector as it is in memory, AT_NULL included.
    pub auxv: Vec<u8>,
}

/// Copies of the entry page that are watched: one is the file's, others may be left in free RAM.
const MOST_COPIES: usize = 16;
/// Words on the stack that are searched for the auxiliary vector.
const MOST_WORDS: u64 = 1 << 16;

/// Finds the program; the Position afterwards is what it was.
pub fn find(seat: &mut Seat) -> Result<Program, Error> {
    let path = PathBuf::from(&seat.header().program.as_ref().ok_or_else(not_recorded)?.path);
    let entry = EntryPage::of(&path)?;
    let stood = seat.position();
    let found = search(seat, &entry);
    seat.travel.seek(stood)?;
    let (start, root, rip, auxv) = found?.ok_or_else(|| {
        Error::Program(format!(
            "{} never ran in this recording as the file is now; name the file that was recorded with gdb's command file",
            path.display()
        ))
    })?;
    Ok(Program { path, start, root, bias: rip.wrapping_sub(entry.address), auxv })
}

fn not_recorded() -> Error {
    Error::Program("this recording was not made with record -- PROGRAM".into())
}

/// The page of the file that holds the entry point.
struct EntryPage {
    address: u64,
    content: Vec<u8>,
}

impl EntryPage {
    fn of(path: &std::path::Path) -> Result<EntryPage, Error> {
        let bytes = std::fs::read(path)
            .map_err(|e| Error::Program(format!("{}, which was recorded, cannot be read: {e}", path.display())))?;
        let unfit = |why: &str| Error::Program(format!("{}, which was recorded, {why}", path.display()));
        if !bytes.starts_with(ELFMAG) {
            return Err(unfit("is a script or another file without symbols"));
        }
        let elf = Elf::parse(&bytes).map_err(|e| unfit(&format!("is a damaged ELF file: {e}")))?;
        if elf.header.e_machine != EM_X86_64 || !elf.is_64 {
            return Err(unfit("is no program for x86-64"));
        }
        let address = elf.header.e_entry;
        let segment = elf
            .program_headers
            .iter()
            .find(|h| h.p_type == PT_LOAD && address >= h.p_vaddr && address - h.p_vaddr < h.p_filesz)
            .ok_or_else(|| unfit("has its entry point outside its segments"))?;
        let offset = (address - segment.p_vaddr).checked_add(segment.p_offset).map(|o| o & !(PAGE - 1));
        let from = offset.and_then(|o| usize::try_from(o).ok()).unwrap_or(usize::MAX);
        let in_file = bytes.get(from..).ok_or_else(|| unfit("ends before its entry point"))?;
        let mut content = in_file[..in_file.len().min(PAGE as usize)].to_vec();
        content.resize(PAGE as usize, 0);
        Ok(EntryPage { address, content })
    }
}

type Found = (Position, u64, u64, Vec<u8>);

fn search(seat: &mut Seat, entry: &EntryPage) -> Result<Option<Found>, Error> {
    seat.go(&Destination::End)?;
    let stops = Stops { breakpoints: copies(seat, entry), watches: Vec::new() };
    if stops.breakpoints.is_empty() {
        return Ok(None);
    }
    seat.go(&Destination::At(Moment::ZERO))?;
    loop {
        match seat.run(Direction::Forward, &stops)? {
            Arrival::Breakpoint(_) if seat.machine().cpu.state.cpl == 3 => {
                let rip = seat.linear_rip();
                return Ok(Some((seat.position(), seat.root(), rip, auxv(seat))));
            }
            Arrival::Breakpoint(_) => {}
            Arrival::Cancelled => return Err(Error::Cancelled),
            _ => return Ok(None),
        }
    }
}

fn copies(seat: &Seat, entry: &EntryPage) -> Vec<Breakpoint> {
    let phys = &seat.machine().cpu.phys;
    let offset = entry.address % PAGE;
    (0..phys.page_count())
        .filter(|&i| phys.page_bytes(i) == entry.content)
        .take(MOST_COPIES)
        .map(|i| Breakpoint { place: Place::Physical(phys.page_address(i) + offset) })
        .collect()
}

/// From the stack of a program that starts: argc, argv and a null, the environment and a null, then pairs up to type 0.
fn auxv(seat: &Seat) -> Vec<u8> {
    let stack = seat.machine().cpu.regs[gpr::RSP];
    let word = |i: u64| {
        let bytes = seat.read(Memory::Current, stack.checked_add(i.checked_mul(8)?)?, 8).ok()?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let behind_null = |from: u64| (from..MOST_WORDS).find(|&i| word(i).is_none_or(|w| w == 0)).map(|i| i + 1);
    let read = || {
        let argc = word(0).filter(|&n| n < MOST_WORDS)?;
        let start = behind_null(argc + 2)?;
        let end = (start..MOST_WORDS).step_by(2).find(|&i| word(i).is_none_or(|w| w == 0))?;
        (start..end + 2).map(word).collect::<Option<Vec<u64>>>()
    };
    read().unwrap_or_default().into_iter().flat_map(u64::to_le_bytes).collect()
}
