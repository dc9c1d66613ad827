//! Threads and processes: `task_struct` and what hangs on it.

use super::absent::{Known, Why};
use super::layout::Member;
use super::mm::Memory;
use super::view::{Object, View};
use std::fmt;

/// `task_struct.flags`: a thread of the kernel (`PF_KTHREAD`).
const KERNEL_THREAD: u32 = 0x0020_0000;
/// Bytes of `task_struct.comm`.
const COMM: usize = 16;

/// A thread; a process is its first thread.
#[derive(Clone, Copy)]
pub struct Task<'v> {
    object: Object<'v>,
}

/// What a thread does, with the letter that ps prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// R: runs or could.
    Running,
    /// S: waits, signals wake it.
    Sleeping,
    /// D: waits, signals do not wake it.
    Uninterruptible,
    /// I: a kernel thread without work.
    Idle,
    /// T: stopped by a signal.
    Stopped,
    /// t: stopped by a tracer.
    Traced,
    /// Z: ended, its parent has not asked for its status.
    Zombie,
    /// X: ended.
    Dead,
    /// P: a parked kernel thread.
    Parked,
}

impl State {
    /// From `__state` and `exit_state`. Source: `task_state_index` in include/linux/sched.h; the bits have been the same
    /// since 4.14.
    fn of(state: u32, exit: u32) -> State {
        const NOLOAD_SLEEP: u32 = 0x402;
        const RTLOCK_WAIT: u32 = 0x1000;
        if state & NOLOAD_SLEEP == NOLOAD_SLEEP {
            return State::Idle;
        }
        if state & RTLOCK_WAIT != 0 {
            return State::Uninterruptible;
        }
        match ((state | exit) & 0x7f).checked_ilog2() {
            None => State::Running,
            Some(0) => State::Sleeping,
            Some(1) => State::Uninterruptible,
            Some(2) => State::Stopped,
            Some(3) => State::Traced,
            Some(4) => State::Dead,
            Some(5) => State::Zombie,
            Some(_) => State::Parked,
        }
    }

    /// The letter.
    pub fn letter(self) -> char {
        match self {
            State::Running => 'R',
            State::Sleeping => 'S',
            State::Uninterruptible => 'D',
            State::Idle => 'I',
            State::Stopped => 'T',
            State::Traced => 't',
            State::Zombie => 'Z',
            State::Dead => 'X',
            State::Parked => 'P',
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// Whose rights a thread has; numbers of the first user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "see credentials(7)")]
pub struct Credentials {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub fsgid: u32,
    /// Effective capabilities, one bit each (capabilities(7)).
    pub capabilities: u64,
}

impl<'v> Task<'v> {
    /// The `task_struct` at an address.
    pub fn at(view: &'v View<'v>, at: u64) -> Task<'v> {
        Task { object: view.object(at) }
    }
    /// The structure itself, for members that have no function here.
    pub fn object(self) -> Object<'v> {
        self.object
    }
    /// Where the structure is. Addresses are used again after a thread's end.
    pub fn address(self) -> u64 {
        self.object.at
    }
    /// The thread's number in the first pid namespace (the kernel's `pid`).
    pub fn tid(self) -> Known<u32> {
        self.object.u32(Member::TaskPid)
    }
    /// The process's number in the first pid namespace (the kernel's `tgid`).
    pub fn pid(self) -> Known<u32> {
        self.object.u32(Member::TaskTgid)
    }
    /// The thread's name.
    pub fn comm(self) -> Known<String> {
        self.object.text(Member::TaskComm, COMM)
    }
    /// The process that started this one, or that took it over.
    pub fn parent(self) -> Known<Task<'v>> {
        Ok(Task { object: self.object.pointer(Member::TaskParent)? })
    }
    /// The first thread of the process.
    pub fn leader(self) -> Known<Task<'v>> {
        Ok(Task { object: self.object.pointer(Member::TaskLeader)? })
    }
    /// What it does.
    pub fn state(self) -> Known<State> {
        Ok(State::of(self.object.u32(Member::TaskState)?, self.object.u32(Member::TaskExitState)?))
    }
    /// A thread of the kernel.
    pub fn is_kernel_thread(self) -> Known<bool> {
        Ok(self.object.u32(Member::TaskFlags)? & KERNEL_THREAD != 0)
    }
    /// Whose rights it has.
    pub fn credentials(self) -> Known<Credentials> {
        let cred = self.object.pointer(Member::TaskCred)?;
        Ok(Credentials {
            uid: cred.u32(Member::CredUid)?,
            euid: cred.u32(Member::CredEuid)?,
            suid: cred.u32(Member::CredSuid)?,
            fsuid: cred.u32(Member::CredFsuid)?,
            gid: cred.u32(Member::CredGid)?,
            egid: cred.u32(Member::CredEgid)?,
            sgid: cred.u32(Member::CredSgid)?,
            fsgid: cred.u32(Member::CredFsgid)?,
            capabilities: cred.u64(Member::CredCaps)?,
        })
    }
    /// When it started, in nanoseconds of the guest's boot-time clock.
    pub fn started_ns(self) -> Known<u64> {
        self.object.u64(Member::TaskStartedBoot)
    }
    /// All threads of the process, the oldest first.
    pub fn threads(self) -> Known<Vec<Task<'v>>> {
        let head = self.object.pointer(Member::TaskSignal)?.part(Member::SignalThreads)?;
        Ok(head.ring(Member::TaskThreadNode)?.into_iter().map(|object| Task { object }).collect())
    }
    /// The process's memory; kernel threads and ended processes have none.
    pub fn memory(self) -> Known<Memory<'v>> {
        match self.object.optional(Member::TaskMm)? {
            Some(mm) => Ok(Memory::of(mm)),
            None => Err(Why::NotApplicable { who: self.who()? }.for_fact("memory")),
        }
    }
    /// The kind of a thread without memory or files.
    fn who(self) -> Known<&'static str> {
        Ok(if self.is_kernel_thread()? { "a kernel thread" } else { "a process without memory or files" })
    }
    /// The working directory.
    pub fn cwd(self) -> Known<String> {
        self.fs()?.part(Member::FsPwd)?.path()
    }
    /// What the process has for `/`.
    pub fn root(self) -> Known<String> {
        self.fs()?.part(Member::FsRoot)?.path()
    }
    fn fs(self) -> Known<Object<'v>> {
        let fs = self.object.optional(Member::TaskFs)?;
        fs.ok_or(Why::NotApplicable { who: "a process without memory or files" }.for_fact("directories"))
    }
}

impl<'v> View<'v> {
    /// Every process, kernel threads included, in the order of their start; the idle task is not among them.
    pub fn processes(&'v self) -> Known<Vec<Task<'v>>> {
        let head = self.global("init_task")?.part(Member::TaskTasks)?;
        Ok(head.ring(Member::TaskTasks)?.into_iter().map(|object| Task { object }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn states_have_the_letters_of_ps() {
        let letters = |of: &[(u32, u32)]| of.iter().map(|(s, e)| State::of(*s, *e).letter()).collect::<String>();
        assert_eq!(
            letters(&[(0, 0), (1, 0), (2, 0), (4, 0), (8, 0), (0x80, 0x10), (0x80, 0x20), (0x40, 0)]),
            "RSDTtXZP"
        );
        // Freezable sleep, idle kernel thread, freezable idle, waiting for a sleeping spinlock.
        assert_eq!(letters(&[(0x2001, 0), (0x402, 0), (0x2402, 0), (0x1000, 0)]), "SIID");
    }
}
