//! The memory of a process: page table, program, arguments, and the map that /proc/PID/maps shows.

use super::absent::{Known, Why};
use super::layout::Member;
use super::maple;
use super::memory::{PAGE, Root, Space};
use super::path::mapped_path;
use super::view::{Object, lossy};
use std::fmt;

/// More than the kernel passes on to a program (`_STK_LIM` / 4 * 3).
const MOST_ARGUMENT_BYTES: u64 = 6 << 20;
/// Longest name of an anonymous mapping (`ANON_VMA_NAME_MAX_LEN`), and more than any special mapping's.
const LONGEST_NAME: usize = 80;

/// A process's memory.
#[derive(Clone, Copy)]
pub struct Memory<'v> {
    mm: Object<'v>,
}

/// What a mapping shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// Path as /proc prints it, with " (deleted)" where it is.
    pub path: Known<String>,
    /// Bytes into the file.
    pub offset: u64,
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// The file's number in it.
    pub inode: u64,
}

/// One line of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// `VM_READ` 1, `VM_WRITE` 2, `VM_EXEC` 4, `VM_MAYSHARE` 0x80, and the kernel's others.
    pub flags: u64,
    /// The file, if there is one.
    pub file: Option<Backing>,
    /// What is not a file may have a name: `[heap]`, `[stack]`, `[vdso]`.
    pub name: Option<String>,
}

impl fmt::Display for Mapping {
    /// The line of /proc/PID/maps; a path that cannot be told is a question mark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |bit: u64, letter| if self.flags & bit != 0 { letter } else { '-' };
        let sharing = if self.flags & 0x80 != 0 { 's' } else { 'p' };
        let (offset, device, inode) = self.file.as_ref().map_or((0, (0, 0), 0), |b| (b.offset, b.device, b.inode));
        let path = self.file.as_ref().map(|b| b.path.as_deref().unwrap_or("?"));
        let name = path.or(self.name.as_deref()).unwrap_or_default();
        let rights = [letter(1, 'r'), letter(2, 'w'), letter(4, 'x'), sharing].iter().collect::<String>();
        let (start, end, major, minor) = (self.start, self.end, device.0, device.1);
        let line = format!("{start:08x}-{end:08x} {rights} {offset:08x} {major:02x}:{minor:02x} {inode} ");
        write!(f, "{}", if name.is_empty() { line } else { format!("{line:<73}{name}") })
    }
}

impl<'v> Memory<'v> {
    pub(super) fn of(mm: Object<'v>) -> Memory<'v> {
        Memory { mm }
    }
    /// The structure itself, for members that have no function here.
    pub fn object(self) -> Object<'v> {
        self.mm
    }

    /// The page table that the kernel uses while it works for this process: it maps all of both halves.
    pub fn root(self) -> Known<Root> {
        let pgd = self.mm.u64(Member::MmPgd)?;
        let gpa = self.mm.view.kernel().translate(pgd);
        gpa.map(Root).ok_or(Why::NotMapped { at: pgd }.for_fact(Member::MmPgd.what()))
    }

    /// With page-table isolation, the table that is in CR3 while the program itself runs; `None` without isolation.
    ///
    /// It is the page behind the kernel's one and has the same lower half. The kernel's copy of that half is not
    /// executable, which is how isolation is told (`__pti_set_user_pgtbl` in arch/x86/mm/pti.c).
    pub fn user_root(self) -> Known<Option<Root>> {
        let kernel = self.root()?;
        let user = Root(kernel.0 | PAGE);
        if user == kernel {
            return Ok(None);
        }
        let no_execute = 1 << 63;
        let entries = (0..256).filter_map(|i| kernel.entry(self.mm.view.ram, i).map(|entry| (i, entry)));
        let mut present = entries.filter(|(_, entry)| entry & 1 != 0).peekable();
        if present.peek().is_none() {
            return Err(Why::Broken { at: kernel.0, expected: "a page table of a process" }.for_fact("user page table"));
        }
        let frame = |entry: u64| entry & 0x000f_ffff_ffff_f000;
        let is_twin = |(i, entry): (u64, u64)| {
            let twin = user.entry(self.mm.view.ram, i);
            entry & no_execute != 0 && twin.is_some_and(|t| t & no_execute == 0 && frame(t) == frame(entry))
        };
        Ok(present.all(is_twin).then_some(user))
    }

    /// The program's memory by its own addresses.
    pub fn space(self) -> Known<Space<'v>> {
        Ok(Space { ram: self.mm.view.ram, root: self.root()? })
    }

    /// The program's file, as a path.
    pub fn exe(self) -> Known<String> {
        self.mm.pointer(Member::MmExe)?.part(Member::FilePath)?.path()
    }

    /// The arguments as they are in the program's memory now: a program may change them.
    pub fn argv(self) -> Known<Vec<String>> {
        self.strings("arguments", Member::MmArgStart, Member::MmArgEnd)
    }

    /// The environment that the program was started with.
    pub fn environment(self) -> Known<Vec<String>> {
        self.strings("environment", Member::MmEnvStart, Member::MmEnvEnd)
    }

    fn strings(self, what: &'static str, start: Member, end: Member) -> Known<Vec<String>> {
        let (start, end) = (self.mm.u64(start)?, self.mm.u64(end)?);
        let length = end.checked_sub(start).filter(|length| *length <= MOST_ARGUMENT_BYTES);
        let length = length.ok_or(Why::Broken { at: self.mm.at, expected: "a process's memory" }.for_fact(what))?;
        let bytes = self.space()?.bytes(start, length as usize).map_err(|absent| absent.why.for_fact(what))?;
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        Ok(if length == 0 { Vec::new() } else { bytes.split(|&b| b == 0).map(lossy).collect() })
    }

    /// The memory map, ascending.
    pub fn map(self) -> Known<Vec<Mapping>> {
        let areas = maple::values(self.mm.view, self.mm.u64(Member::MmTree)?)?;
        areas.into_iter().map(|at| self.mapping(self.mm.view.object(at))).collect()
    }

    fn mapping(self, area: Object<'v>) -> Known<Mapping> {
        let (start, end) = (area.u64(Member::VmaStart)?, area.u64(Member::VmaEnd)?);
        let file = area.optional(Member::VmaFile)?.map(|file| backing(area, file)).transpose()?;
        let name = if file.is_none() { self.name(area, start, end)? } else { None };
        Ok(Mapping { start, end, flags: area.u64(Member::VmaFlags)?, file, name })
    }

    /// The name of a mapping without a file. Source: `show_map_vma` in fs/proc/task_mmu.c.
    fn name(self, area: Object<'v>, start: u64, end: u64) -> Known<Option<String>> {
        let special = self.mm.view.profile.symbols.address("special_mapping_vmops");
        if special.is_some() && area.u64(Member::VmaOps).ok() == special {
            let mapping = area.pointer(Member::VmaPrivate)?;
            return mapping.text_behind(Member::SpecialMappingName, LONGEST_NAME).map(Some);
        }
        let (heap, brk) = (self.mm.u64(Member::MmBrkStart)?, self.mm.u64(Member::MmBrk)?);
        if start <= brk && end >= heap {
            return Ok(Some("[heap]".to_owned()));
        }
        let stack = self.mm.u64(Member::MmStack)?;
        if start <= stack && end >= stack {
            return Ok(Some("[stack]".to_owned()));
        }
        given_name(area)
    }
}

/// The name that the program gave with prctl; kernels without that have no such member.
fn given_name(area: Object) -> Known<Option<String>> {
    let Ok(Some(name)) = area.optional(Member::VmaAnonName) else { return Ok(None) };
    let at = name.place(Member::AnonName)?;
    let bytes = area.view.kernel().string(at, LONGEST_NAME)?;
    Ok(Some(format!("[anon:{}]", lossy(&bytes))))
}

fn backing(area: Object, file: Object) -> Known<Backing> {
    let inode = file.pointer(Member::FileInode)?;
    let device = inode.pointer(Member::InodeSuper)?.u32(Member::SuperDevice)?;
    Ok(Backing {
        path: mapped_path(file),
        offset: area.u64(Member::VmaPageOffset)?.wrapping_mul(PAGE),
        device: major_minor(device),
        inode: inode.u64(Member::InodeNumber)?,
    })
}

/// A device number as the kernel keeps it (include/linux/kdev_t.h).
pub(super) fn major_minor(device: u32) -> (u32, u32) {
    (device >> 20, device & 0xf_ffff)
}
