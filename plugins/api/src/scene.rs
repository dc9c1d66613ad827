//! The scene: the machine as it stands at an event, read-only, and what is known of the Linux inside.
//!
//! What cannot be told is `None`; nothing is guessed. Without Linux, or before it is up, everything about tasks is `None`.

/// Registers as an analysis sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15.
    pub general: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// CR2: the address of the last page fault.
    pub cr2: u64,
    /// CR3: the page table.
    pub cr3: u64,
    /// Privilege level, 0..=3.
    pub cpl: u8,
}

/// A thread's name as the kernel keeps it: at most 15 bytes and a NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// As text; what is no UTF-8 becomes U+FFFD.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(16);
        let bytes = &self.0[..end];
        std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), std::borrow::Cow::Borrowed)
    }
}

/// What tells a thread from all others of a boot, reused numbers and memory included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey {
    /// The address of its `task_struct`.
    pub at: u64,
    /// Its number.
    pub tid: u32,
    /// When it was made, in the kernel's nanoseconds; 0 where that is not known.
    pub start_ns: u64,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub key: TaskKey,
    /// The process's number (the kernel's tgid).
    pub pid: u32,
    /// Its name at this Moment.
    pub comm: Comm,
}

/// What a process is, asked seldom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The number of its parent.
    pub ppid: Option<u32>,
    /// The path of its program; none for kernel threads.
    pub exe: Option<String>,
    /// Its arguments, as they stand in its memory; some of it may not be mapped.
    pub arguments: Option<Vec<String>>,
    /// The working directory.
    pub cwd: Option<String>,
    /// User: real and effective.
    pub uid: Option<(u32, u32)>,
    /// Group: real and effective.
    pub gid: Option<(u32, u32)>,
    /// It has no memory of its own.
    pub is_kernel_thread: bool,
}

/// An open file as `/proc/PID/fd` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, or `socket:[INODE]`, `pipe:[INODE]`, `anon_inode:[NAME]`.
    pub path: String,
    /// The address of the kernel's `struct file`: the same for all descriptors that share a position.
    pub at: u64,
    /// The flags that it was opened with (O_*).
    pub flags: u32,
    /// Its inode's mode (S_*).
    pub mode: u32,
    /// Where the next read or write begins.
    pub position: u64,
    /// For a socket, what it is and is connected to: `INET STREAM 10.0.2.15:40000 -> 10.0.2.2:80`.
    pub socket: Option<String>,
}

/// A descriptor of a process.
pub type Descriptor = u32;

/// A mapping of a process that holds an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub from: u64,
    /// Address behind the last.
    pub to: u64,
    /// Where `from` is in the file, in bytes.
    pub offset: u64,
    /// The file's path, or `[heap]`, `[stack]`, `[vdso]`; `None` for anonymous memory.
    pub path: Option<String>,
}

/// The registers that a program entered the kernel with, as the kernel saved them on the thread's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallFrame {
    /// The number of the system call; -1 when this is no system call (any more).
    pub number: i64,
    /// RAX: the result, once there is one.
    pub rax: u64,
    /// RDI RSI RDX R10 R8 R9.
    pub arguments: [u64; 6],
    /// The program's instruction pointer.
    pub rip: u64,
    /// The program's stack pointer.
    pub rsp: u64,
}

/// The machine at an event.
pub trait Scene {
    /// Instructions retired. For an event of an instruction: in front of it (its place in history; `--at` goes there).
    fn moment(&self) -> u64;
    /// Guest time since power-on, in nanoseconds.
    fn time_ns(&self) -> u64;
    /// Registers.
    fn registers(&self) -> Registers;
    /// The instruction pointer alone; cheaper than all registers.
    fn rip(&self) -> u64 {
        self.registers().rip
    }
    /// The thread that runs. Cheap: a few tens of nanoseconds.
    fn task(&self) -> Option<Task>;
    /// The thread whose `task_struct` is at an address.
    fn task_at(&self, task: u64) -> Option<Task>;
    /// Every thread there is, the idle one excepted. Dear.
    fn tasks(&self) -> Vec<Task>;
    /// What a thread's process is. Dear: tens of microseconds.
    fn process(&self, task: u64) -> Option<Process>;
    /// The open file of a descriptor of a thread. Microseconds.
    fn file(&self, task: u64, descriptor: Descriptor) -> Option<File>;
    /// Every descriptor of a thread that is open. Dear.
    fn descriptors(&self, task: u64) -> Option<Vec<(Descriptor, File)>>;
    /// The mapping of a thread's memory that holds an address. Dear.
    fn mapping(&self, task: u64, address: u64) -> Option<Mapping>;
    /// What a thread entered the kernel with, from its kernel stack.
    fn syscall_frame(&self, task: u64) -> Option<SyscallFrame>;
    /// Reads memory at a linear address of the running program (the address space of the thread that runs; in the kernel
    /// half, the kernel's). The number of bytes read: what is not mapped ends it.
    fn read(&self, linear: u64, into: &mut [u8]) -> usize;
    /// Reads RAM. The number of bytes read.
    fn read_physical(&self, physical: u64, into: &mut [u8]) -> usize;
    /// The kernel's symbol at an address, and how far behind its start. Modules included.
    fn symbol(&self, address: u64) -> Option<(&str, u64)>;
    /// The address of a symbol of the kernel's.
    fn address_of(&self, symbol: &str) -> Option<u64>;
    /// The name of a system call of the guest's kernel, from its own table: `openat`.
    fn syscall_name(&self, number: u32) -> Option<&str>;
    /// Why there is no Linux to be seen, where there is none.
    fn no_linux(&self) -> Option<String>;

    /// The text at a linear address up to a NUL, at most `longest` bytes; `None` if its first byte is not mapped.
    fn text(&self, linear: u64, longest: usize) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        let mut chunk = [0; 64];
        while found.len() < longest {
            // A read never crosses a page for nothing: what follows may not be mapped.
            let at = linear.wrapping_add(found.len() as u64);
            let want = chunk.len().min(longest - found.len()).min(4096 - (at % 4096) as usize);
            let got = self.read(at, &mut chunk[..want]);
            if let Some(end) = chunk[..got].iter().position(|&b| b == 0) {
                found.extend_from_slice(&chunk[..end]);
                return Some(found);
            }
            found.extend_from_slice(&chunk[..got]);
            if got < want {
                break;
            }
        }
        (!found.is_empty()).then_some(found)
    }
}
