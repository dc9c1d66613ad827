//! The guest's memory as a debugger sees it: no rights are checked, nothing changes, what is not there is an error.

use super::{Error, Place, Seat, Space};
use crate::cpu::Cpu;
use crate::cpu::phys::PAGE;

/// Whose addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Linear addresses under the page tables that are loaded now.
    Current,
    /// Linear addresses under the four-level page tables at this physical address (a CR3).
    Of(u64),
    /// Guest-physical addresses.
    Physical,
}

impl Seat {
    /// Reads as many of `len` bytes as are there without a gap, at least one.
    ///
    /// # Errors
    /// [`Error::Unmapped`] when there is no byte at `address`.
    pub fn read(&self, memory: Memory, address: u64, len: usize) -> Result<Vec<u8>, Error> {
        let cpu = &self.machine().cpu;
        let mut out = Vec::new();
        while out.len() < len {
            let Some(at) = address.checked_add(out.len() as u64) else { break };
            let in_page = (PAGE - at % PAGE).min((len - out.len()) as u64) as usize;
            let mut bytes = vec![0; in_page];
            let Some(()) = physical(cpu, memory, at).and_then(|gpa| cpu.phys.read(gpa, &mut bytes)) else { break };
            out.append(&mut bytes);
        }
        if out.is_empty() && len > 0 {
            return Err(Error::Unmapped(self.describe(memory, address)));
        }
        Ok(out)
    }

    /// The guest-physical address of a linear one.
    pub fn translate(&self, memory: Memory, address: u64) -> Option<u64> {
        physical(&self.machine().cpu, memory, address)
    }

    /// Reads at a place that a stop is tied to.
    ///
    /// # Errors
    /// As [`Seat::read`].
    pub fn read_place(&self, place: Place, len: usize) -> Result<Vec<u8>, Error> {
        match place {
            Place::Physical(address) => self.read(Memory::Physical, address, len),
            Place::Linear(address, Space::Root(root)) => self.read(Memory::Of(root), address, len),
            Place::Linear(address, Space::Any) => self.read(Memory::Current, address, len),
        }
    }

    /// The address space that the CPU is in: CR3 without its flag bits.
    pub fn root(&self) -> u64 {
        self.machine().cpu.state.cr3 & !(PAGE - 1)
    }

    fn describe(&self, memory: Memory, address: u64) -> String {
        match memory {
            Memory::Current => format!("{address:#x} in the address space {:#x}, which the CPU is in", self.root()),
            Memory::Of(root) => format!("{address:#x} in the address space {root:#x}"),
            Memory::Physical => format!("the physical address {address:#x}"),
        }
    }
}

fn physical(cpu: &Cpu, memory: Memory, address: u64) -> Option<u64> {
    let is_canonical = ((address as i64) << 16 >> 16) as u64 == address;
    match memory {
        Memory::Physical => Some(address),
        _ if cpu.is_long() && !is_canonical => None,
        _ if !cpu.is_long() && address > u64::from(u32::MAX) => None,
        Memory::Of(root) if root != cpu.state.cr3 & !(PAGE - 1) => cpu.translate_in(root, address),
        Memory::Current | Memory::Of(_) => cpu.translate_quietly(address),
    }
}
