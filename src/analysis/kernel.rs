//! What is constant about the Linux inside for one boot, made ready for questions that are asked millions of times.
//!
//! It is found once for a recording and shared by all workers. Everything that it is asked comes from the memory of the
//! Moment; nothing is remembered from one question to the next.

use crate::cpu::Cpu;
use crate::guest::{Known, Member, Physical, Profile, Space, Vcpu, View, Why};
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::travel::{Cancel, Past, Travel};
use reenact_plugin::{Comm, TaskKey};
use std::ops::Range;

/// Places in a recording in front of which a kernel is looked for, from the end backwards.
const LOOKS: u64 = 12;
/// More system calls than any table has.
const MOST_SYSCALLS: u64 = 1024;
/// The size of a kernel stack of x86-64 Linux, where no symbol tells it.
const THREAD_SIZE: u64 = 16 << 10;
/// Names in the table of system calls that are not what programs call them.
const RENAMED: [(&str, &str); 6] = [
    ("newstat", "stat"),
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("newuname", "uname"),
    ("umount", "umount2"),
    ("sendfile64", "sendfile"),
];

/// Where members of `task_struct` are.
struct TaskLayout {
    tid: u64,
    pid: u64,
    comm: u64,
    started: Option<u64>,
}

/// The kernel of one boot.
pub struct Kernel {
    /// What the guest view knows of it.
    pub profile: Profile,
    /// Physical address of the pointer to the running task.
    current: u64,
    /// Where the kernel maps all of RAM.
    direct: Option<u64>,
    /// Where the first task is, which is not there but in the image: virtual addresses, and the physical one of the first.
    first_task: Option<(Range<u64>, u64)>,
    task: TaskLayout,
    /// Names of system calls by number.
    syscalls: Vec<Option<String>>,
    /// Bytes of a kernel stack.
    pub thread_size: u64,
}

impl Physical for Past<'_> {
    fn page(&self, gpa: u64) -> Option<&[u8]> {
        Past::page(self, gpa).map(|page| page.as_slice())
    }
    fn ranges(&self) -> Vec<Range<u64>> {
        Past::ranges(self)
    }
}

impl Kernel {
    /// Looks for the kernel of a recording whose index is complete, from its end backwards; if there is none, why not at the end.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(travel: &Travel, cancel: &Cancel) -> Result<Known<Kernel>, Error> {
        Kernel::find_with(travel, cancel, &|_, kernel| kernel)
    }

    /// The same, and what `look` makes of it and of the memory that it was found in.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find_with<T>(
        travel: &Travel,
        cancel: &Cancel,
        look: &dyn Fn(&Past, Kernel) -> T,
    ) -> Result<Known<T>, Error> {
        let mut why = None;
        let mut last = None;
        for step in (0..=LOOKS).rev().take_while(|_| !cancel.is_requested()) {
            let past =
                travel.past(Moment((u128::from(travel.end().0) * u128::from(step) / u128::from(LOOKS)) as u64))?;
            if last.replace(past.state().icount) == Some(past.state().icount) {
                continue;
            }
            let found = Kernel::of(&past, &Vcpu::of_saved(&past.state().cpu)).map(|kernel| look(&past, kernel));
            if let Some(failure) = past.failure() {
                return Err(failure);
            }
            match found {
                Ok(found) => return Ok(Ok(found)),
                Err(absent) => drop(why.get_or_insert(absent)),
            }
        }
        Ok(Err(why.unwrap_or(Why::NoKernel.for_fact("kernel"))))
    }

    /// The kernel that runs on a processor.
    pub fn of(ram: &dyn Physical, vcpu: &Vcpu) -> Known<Kernel> {
        let profile = Profile::find(ram, vcpu)?;
        let view = View::new(ram, vcpu.clone(), &profile)?;
        let space = view.kernel();
        let current = view.current_place()?;
        let current = space.translate(current).ok_or(Why::NotMapped { at: current }.for_fact("current task"))?;
        let direct = profile.address("page_offset_base").and_then(|at| space.u64(at)).ok();
        let task = TaskLayout {
            tid: profile.offset(Member::TaskPid)?,
            pid: profile.offset(Member::TaskTgid)?,
            comm: profile.offset(Member::TaskComm)?,
            started: profile.offset(Member::TaskStartedBoot).ok(),
        };
        let first_task = profile.address("init_task").ok().and_then(|at| first_task(&space, at));
        let syscalls = syscalls(&view);
        let ends = [("__start_init_task", "__end_init_task"), ("__start_init_stack", "__end_init_stack")];
        let size = |(from, to)| Some(profile.symbols.address(to)?.wrapping_sub(profile.symbols.address(from)?));
        let thread_size = ends.into_iter().find_map(size).filter(|size| (4096..=1 << 20).contains(size));
        Ok(Kernel {
            current,
            direct,
            first_task,
            task,
            syscalls,
            thread_size: thread_size.unwrap_or(THREAD_SIZE),
            profile,
        })
    }

    /// True if this is the kernel that runs on the CPU.
    #[inline]
    pub fn runs_on(&self, cpu: &Cpu) -> bool {
        cpu.state.msr.lstar == self.profile.system_call_entry()
    }

    /// The name of a system call.
    pub fn syscall_name(&self, number: u32) -> Option<&str> {
        self.syscalls.get(number as usize)?.as_deref()
    }

    /// The running task's address.
    #[inline]
    pub fn current(&self, cpu: &Cpu) -> Option<u64> {
        let task = u64::from_le_bytes(physical(cpu, self.current)?);
        (task >= UPPER).then_some(task)
    }

    /// A task in numbers.
    #[inline]
    pub fn task(&self, cpu: &Cpu, at: u64) -> Option<reenact_plugin::Task> {
        let tid = u32::from_le_bytes(self.read(cpu, at.wrapping_add(self.task.tid))?);
        let pid = u32::from_le_bytes(self.read(cpu, at.wrapping_add(self.task.pid))?);
        let comm = Comm(self.read(cpu, at.wrapping_add(self.task.comm))?);
        let start_ns = match self.task.started {
            Some(offset) => u64::from_le_bytes(self.read(cpu, at.wrapping_add(offset))?),
            None => 0,
        };
        Some(reenact_plugin::Task { key: TaskKey { at, tid, start_ns }, pid, comm })
    }

    /// Bytes of the kernel's memory.
    #[inline(always)]
    fn read<const N: usize>(&self, cpu: &Cpu, va: u64) -> Option<[u8; N]> {
        if va < UPPER {
            return None;
        }
        if let Some(direct) = self.direct
            && let Some(bytes) = physical(cpu, va.wrapping_sub(direct))
        {
            return Some(bytes);
        }
        if let Some((range, at)) = &self.first_task
            && range.contains(&va)
            && let Some(bytes) = physical(cpu, at + (va - range.start))
        {
            return Some(bytes);
        }
        self.read_mapped(cpu, va)
    }
    /// The same by the page tables.
    #[cold]
    fn read_mapped<const N: usize>(&self, cpu: &Cpu, va: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        Space { ram: cpu, root: self.profile.root }.read(va, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// The pages of the first task, if they lie side by side as the rest of the image does; it stays where it is for a boot.
fn first_task(space: &Space, at: u64) -> Option<(Range<u64>, u64)> {
    const PAGES: u64 = 4;
    let from = at & !4095;
    let physical = space.translate(from)?;
    let is_plain = (1..PAGES).all(|n| space.translate(from + n * 4096) == Some(physical + n * 4096));
    is_plain.then_some((from..from + PAGES * 4096, physical))
}

/// Where kernels live.
const UPPER: u64 = 0xffff_8000_0000_0000;

/// Bytes of RAM inside one page.
#[inline]
fn physical<const N: usize>(cpu: &Cpu, gpa: u64) -> Option<[u8; N]> {
    cpu.page(gpa)?.get((gpa % 4096) as usize..)?.first_chunk().copied()
}

/// Names by number, from `sys_call_table` and the names of what it points to.
fn syscalls(view: &View) -> Vec<Option<String>> {
    let Ok(table) = view.profile.address("sys_call_table") else { return Vec::new() };
    // The table ends where the next symbol begins.
    let entries = view.profile.symbols.at(table).map_or(0, |located| located.size / 8).min(MOST_SYSCALLS);
    let function = |number: u64| view.kernel().u64(table.wrapping_add(number * 8)).ok();
    (0..entries).map(|n| name(view.profile.symbols.exactly_at(function(n)?)?)).collect()
}

fn name(function: &str) -> Option<String> {
    let name = function.strip_prefix("__x64_sys_").or_else(|| function.strip_prefix("sys_"))?;
    if name == "ni_syscall" {
        return None;
    }
    let renamed = RENAMED.iter().find(|(from, _)| *from == name);
    Some(renamed.map_or(name, |(_, to)| to).to_owned())
}
