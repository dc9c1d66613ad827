//! Names of addresses: the kernel's symbols, and for a program's addresses the file that is mapped there.

use crate::guest::Mapping;
use crate::session::Seat;

/// What addresses are called at one Position.
#[derive(Default)]
pub struct Names {
    maps: Vec<Mapping>,
}

/// A symbol farther away names nothing.
const FARTHEST: u64 = 1 << 20;

impl Names {
    /// Those of the process that runs, and the kernel's.
    pub fn of(seat: &mut Seat) -> Names {
        let maps = seat.guest(|view| view.current_task()?.memory()?.map());
        Names { maps: maps.unwrap_or_default() }
    }

    /// The name of an address, with the distance: `do_exit+0x14`, `busybox+0x1f30`, `[stack]+0x20`.
    pub fn of_address(&self, seat: &mut Seat, address: u64) -> Option<String> {
        if let Some((name, offset)) = kernel(seat, address) {
            return Some(with_offset(&name, offset));
        }
        let mapping = self.maps.iter().find(|m| (m.start..m.end).contains(&address))?;
        let in_mapping = address - mapping.start;
        match (&mapping.file, &mapping.name) {
            (Some(file), _) => {
                let path = file.path.as_deref().unwrap_or("?");
                let name = path.rsplit('/').next().unwrap_or(path);
                Some(with_offset(name, file.offset.wrapping_add(in_mapping)))
            }
            (None, Some(name)) => Some(with_offset(name, in_mapping)),
            (None, None) => None,
        }
    }

    /// The function that begins at an address.
    pub fn exactly(&self, seat: &mut Seat, address: u64) -> Option<String> {
        kernel(seat, address).filter(|(_, offset)| *offset == 0).map(|(name, _)| name)
    }

    /// Where the function that an address is in begins.
    pub fn entry(&self, seat: &mut Seat, address: u64) -> Option<u64> {
        kernel(seat, address).map(|(_, offset)| address - offset)
    }

    /// True if a program or the kernel may execute an address.
    pub fn is_code(&self, seat: &mut Seat, address: u64) -> bool {
        const EXECUTABLE: u64 = 4;
        let is_mapped = |m: &Mapping| (m.start..m.end).contains(&address) && m.flags & EXECUTABLE != 0;
        self.maps.iter().any(is_mapped) || kernel(seat, address).is_some()
    }
}

fn with_offset(name: &str, offset: u64) -> String {
    if offset == 0 { name.to_owned() } else { format!("{name}+{offset:#x}") }
}

fn kernel(seat: &mut Seat, address: u64) -> Option<(String, u64)> {
    // Not worth a look at the guest.
    if address < 0xffff_8000_0000_0000 {
        return None;
    }
    let found = seat.guest(|view| Ok(view.symbol(address).map(|s| (s.name.to_owned(), s.offset))));
    found.ok().flatten().filter(|(_, offset)| *offset < FARTHEST)
}
