//! The view of one Moment: memory, registers and the kernel's profile together, and the questions asked all the time.

use super::absent::{Known, Why};
use super::layout::Member;
use super::memory::{Physical, Root, Space};
use super::profile::{Profile, Vcpu};
use super::symbols::Located;
use super::task::Task;
use crate::machine::Machine;
use std::collections::BTreeSet;

/// Read-only knowledge of the guest at one Moment.
pub struct View<'m> {
    /// RAM.
    pub ram: &'m dyn Physical,
    /// Registers.
    pub vcpu: Vcpu,
    /// What is constant.
    pub profile: &'m Profile,
}

/// What runs on the CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The kernel's number of the thread.
    pub tid: u32,
    /// The kernel's number of the process.
    pub pid: u32,
    /// The thread's name, at most 15 bytes.
    pub comm: String,
    /// The process's page table (the kernel's half of the two, with page-table isolation); none for kernel threads.
    pub root: Option<Root>,
}

/// List entries that are followed before a list is taken for corrupt: more than a kernel can have threads.
const LONGEST_RING: usize = 1 << 22;

impl<'m> View<'m> {
    /// Of a machine that stands still.
    pub fn of(machine: &'m Machine, profile: &'m Profile) -> Known<View<'m>> {
        View::new(machine, Vcpu::of(machine), profile)
    }

    /// Of memory and registers. Absent if another kernel runs than that of the profile, or none yet.
    pub fn new(ram: &'m dyn Physical, vcpu: Vcpu, profile: &'m Profile) -> Known<View<'m>> {
        profile.check(&vcpu)?;
        Ok(View { ram, vcpu, profile })
    }

    /// The kernel's own address space.
    pub fn kernel(&self) -> Space<'m> {
        Space { ram: self.ram, root: self.profile.root }
    }

    /// The address space that CR3 names now.
    pub fn space(&self) -> Space<'m> {
        Space { ram: self.ram, root: Root::of_cr3(self.vcpu.cr3) }
    }

    /// A kernel structure at an address.
    pub fn object(&self, at: u64) -> Object<'_> {
        Object { view: self, at }
    }

    /// What a symbol of the kernel stands for, as a structure.
    pub fn global(&self, name: &'static str) -> Known<Object<'_>> {
        self.profile.address(name).map(|at| self.object(at))
    }

    /// What the processor's per-CPU area starts at; there is one processor.
    pub fn per_cpu(&self) -> Known<u64> {
        self.kernel().u64(self.profile.address("__per_cpu_offset")?)
    }

    /// Where the kernel keeps the address of the thread that runs: the same for all of a boot.
    pub fn current_place(&self) -> Known<u64> {
        let symbols = &self.profile.symbols;
        let place = match symbols.address("current_task") {
            Some(offset) => offset,
            // From 6.2 on it lies among the hot per-CPU values.
            None => self.profile.address("pcpu_hot")?.wrapping_add(self.profile.layout.offset(Member::HotCurrent)?),
        };
        Ok(self.per_cpu()?.wrapping_add(place))
    }

    /// The thread that runs, as the kernel sees it.
    pub fn current_task(&self) -> Known<Task<'_>> {
        let place = self.current_place()?;
        let at = self.kernel().u64(place)?;
        if at == 0 {
            return Err(Why::Null { at: place }.for_fact("current task"));
        }
        Ok(Task::at(self, at))
    }

    /// The thread that runs, in numbers: a few microseconds.
    pub fn current(&self) -> Known<Current> {
        let task = self.current_task()?;
        let root = task.memory().ok().map(|memory| memory.root()).transpose()?;
        Ok(Current { tid: task.tid()?, pid: task.pid()?, comm: task.comm()?, root })
    }

    /// The kernel's symbol at or before an address; `None` outside its image: see [`View::all_symbols`] for modules.
    pub fn symbol(&self, va: u64) -> Option<Located<'m>> {
        self.profile.symbols.at(va).filter(|_| self.profile.image.contains(&va))
    }
}

/// A kernel structure in memory: its members are read by name.
#[derive(Clone, Copy)]
pub struct Object<'v> {
    pub(super) view: &'v View<'v>,
    /// Its virtual address.
    pub at: u64,
}

impl<'v> Object<'v> {
    /// The address of a member.
    pub fn place(self, member: Member) -> Known<u64> {
        self.view.profile.layout.offset(member).map(|offset| self.at.wrapping_add(offset))
    }

    fn read<T>(self, member: Member, read: impl Fn(&Space<'v>, u64) -> Known<T>) -> Known<T> {
        let at = self.place(member)?;
        read(&self.view.kernel(), at).map_err(|absent| absent.why.for_fact(member.what()))
    }

    /// Eight bytes.
    pub fn u64(self, member: Member) -> Known<u64> {
        self.read(member, Space::u64)
    }
    /// Four bytes.
    pub fn u32(self, member: Member) -> Known<u32> {
        self.read(member, Space::u32)
    }
    /// Two bytes.
    pub fn u16(self, member: Member) -> Known<u16> {
        self.read(member, Space::u16)
    }
    /// As many bytes as `N`.
    pub fn array<const N: usize>(self, member: Member) -> Known<[u8; N]> {
        let mut bytes = [0; N];
        self.read(member, |space, at| space.bytes(at, N)).map(|read| {
            bytes.copy_from_slice(&read);
            bytes
        })
    }
    /// The text in an array of `size` bytes, up to a NUL.
    pub fn text(self, member: Member, size: usize) -> Known<String> {
        let bytes = self.read(member, |space, at| space.bytes(at, size))?;
        Ok(lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()))
    }
    /// The text that a pointer leads to.
    pub fn text_behind(self, member: Member, longest: usize) -> Known<String> {
        let text = self.pointer(member)?;
        let bytes = self.view.kernel().string(text.at, longest);
        bytes.map(|bytes| lossy(&bytes)).map_err(|absent| absent.why.for_fact(member.what()))
    }
    /// The structure that is a member.
    pub fn part(self, member: Member) -> Known<Object<'v>> {
        self.place(member).map(|at| Object { at, ..self })
    }
    /// The structure that this is a member of.
    pub fn whole(self, member: Member) -> Known<Object<'v>> {
        let offset = self.view.profile.layout.offset(member)?;
        Ok(Object { at: self.at.wrapping_sub(offset), ..self })
    }
    /// The structure that a member points to; a null pointer is absent.
    pub fn pointer(self, member: Member) -> Known<Object<'v>> {
        self.optional(member)?.ok_or_else(|| Why::Null { at: self.at }.for_fact(member.what()))
    }
    /// The structure that a member points to; `None` for a null pointer.
    pub fn optional(self, member: Member) -> Known<Option<Object<'v>>> {
        let at = self.u64(member)?;
        Ok((at != 0).then_some(Object { at, ..self }))
    }

    /// The structures that hang on the list whose head this is, by their member `link` (a `list_head`).
    pub fn ring(self, link: Member) -> Known<Vec<Object<'v>>> {
        let space = self.view.kernel();
        let endless = || Why::Endless { limit: LONGEST_RING }.for_fact(link.what());
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut at = space.u64(self.at)?;
        while at != self.at {
            if !seen.insert(at) || found.len() >= LONGEST_RING {
                return Err(endless());
            }
            found.push(Object { at, ..self }.whole(link)?);
            at = space.u64(at).map_err(|absent| absent.why.for_fact(link.what()))?;
        }
        Ok(found)
    }
}

/// Bytes of the guest as text; what is no UTF-8 becomes U+FFFD.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
