//! Runs cases on the host CPU, inside this process, at fixed low addresses.
//!
//! Code and data are one memory file mapped twice: where the case sees them, with its rights, and a second time writable
//! for the harness. Pages around them are not mapped, so wild accesses fault. Invariant: between two runs code memory is
//! all filler and data memory equals the background, so that a run costs what it touches.

use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard};

use super::case::{
    CODE_BASE, CODE_SIZE, Case, DATA_BASE, DATA_SIZE, EXIT_SLOT, End, FILLER, FLAGS, Outcome, State, WRITABLE_SIZE,
    background, changes,
};
use super::engine::Engine;
use super::signals::{Handlers, last_fault, set_running};
use super::trampoline::{FRAME, reenact_native_enter, reenact_native_exit};

const PAGE: usize = 0x1000;
/// Bits of RFLAGS that are set in user mode besides the flags of the case: reserved bit 1 and IF.
const FIXED_RFLAGS: u64 = 0x202;

/// The fixed addresses and the signal handlers exist once per process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The host CPU as an oracle. It stays on the thread that made it (signal stacks belong to threads).
pub struct Native {
    code: *mut u8,
    data: *mut u8,
    /// What data memory held before the case.
    before: Box<[u8; DATA_SIZE]>,
    mappings: Vec<(*mut libc::c_void, usize)>,
    _handlers: Handlers,
    _lock: MutexGuard<'static, ()>,
    _thread_bound: PhantomData<*mut ()>,
}

impl Native {
    /// Maps the memory and installs the handlers; waits for another oracle of this process to go away.
    ///
    /// # Panics
    /// When the fixed addresses are taken or the system refuses a mapping: a test cannot go on without them.
    pub fn new() -> Self {
        let lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let total = CODE_SIZE + DATA_SIZE + PAGE;
        let read_only = DATA_SIZE - WRITABLE_SIZE;
        let mut mappings = Vec::new();
        let (r, w, x) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
        // SAFETY: a new memory file of our own; the name is a C string.
        let file = unsafe { libc::memfd_create(c"reenact-native".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(file >= 0, "memfd_create failed: {}", std::io::Error::last_os_error());
        // SAFETY: `file` is open and ours.
        let truncated = unsafe { libc::ftruncate(file, total as i64) };
        assert_eq!(truncated, 0, "ftruncate failed");
        let mut map = |address: u64, size: usize, rights: i32, offset: usize| {
            let fixed = if address == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
            let flags = libc::MAP_SHARED | libc::MAP_POPULATE | fixed;
            // SAFETY: NOREPLACE keeps existing mappings intact; address 0 lets the system choose.
            let at = unsafe { libc::mmap(address as *mut _, size, rights, flags, file, offset as i64) };
            assert!(at != libc::MAP_FAILED, "mmap at {address:#x} failed: {}", std::io::Error::last_os_error());
            mappings.push((at, size));
            at.cast::<u8>()
        };
        let alias = map(0, total, r | w, 0);
        map(CODE_BASE, CODE_SIZE, r | x, 0);
        map(DATA_BASE, WRITABLE_SIZE, r | w, CODE_SIZE);
        map(DATA_BASE + WRITABLE_SIZE as u64, read_only, r, CODE_SIZE + WRITABLE_SIZE);
        map(EXIT_SLOT, PAGE, r, CODE_SIZE + DATA_SIZE);
        // SAFETY: `file` is ours; the mappings keep the memory. The alias is `total` bytes, writable, and page-aligned.
        let data = unsafe {
            libc::close(file);
            alias.write_bytes(FILLER, CODE_SIZE);
            let data = alias.add(CODE_SIZE);
            data.copy_from_nonoverlapping(background().as_ptr(), DATA_SIZE);
            data.add(DATA_SIZE).cast::<u64>().write(reenact_native_exit as *const () as u64);
            data
        };
        Native {
            code: alias,
            data,
            before: Box::new(*background()),
            mappings,
            _handlers: Handlers::install(),
            _lock: lock,
            _thread_bound: PhantomData,
        }
    }

    fn load(&mut self, case: &Case) {
        let code = case.code_with_exit();
        assert!(case.entry() + code.len() <= CODE_SIZE, "the code of the case does not fit");
        for patch in &case.memory {
            self.before[patch.offset as usize..][..patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        // SAFETY: bounds were checked by the assertion and by the slices above (`before` is as long as the data
        // alias). FRAME belongs to the holder of the lock.
        unsafe {
            self.code.add(case.entry()).copy_from_nonoverlapping(code.as_ptr(), code.len());
            for patch in &case.memory {
                let to = self.data.add(patch.offset as usize);
                to.copy_from_nonoverlapping(patch.bytes.as_ptr(), patch.bytes.len());
            }
            let frame = &raw mut FRAME;
            (*frame).fx = case.before.fx.clone();
            (*frame).gpr = case.before.gpr;
            (*frame).rip = case.before.rip;
            (*frame).rflags = (case.before.rflags & FLAGS) | FIXED_RFLAGS;
        }
    }

    fn store(&mut self, case: &Case, end: End) -> Outcome {
        let rip = |stored| {
            if end == End::Reached { case.end() } else { stored }
        };
        // SAFETY: as in `load`; the case is over, so nothing else writes to the alias or to FRAME.
        let (mut state, after) = unsafe {
            let frame = &raw const FRAME;
            let state = State {
                gpr: (*frame).gpr,
                rip: rip((*frame).rip),
                rflags: (*frame).rflags & FLAGS,
                fx: (*frame).fx.clone(),
            };
            (state, std::slice::from_raw_parts_mut(self.data, DATA_SIZE))
        };
        state.fx.normalise();
        let memory = changes(&self.before[..WRITABLE_SIZE], &after[..WRITABLE_SIZE]);
        // Back to the background: what the case changed, and what was patched for it.
        for run in memory.iter().chain(&case.memory) {
            let range = run.offset as usize..run.offset as usize + run.bytes.len();
            after[range.clone()].copy_from_slice(&background()[range.clone()]);
            self.before[range.clone()].copy_from_slice(&background()[range]);
        }
        let code_size = case.code_with_exit().len();
        // SAFETY: the same range that `load` wrote.
        unsafe { self.code.add(case.entry()).write_bytes(FILLER, code_size) };
        Outcome { state, memory, end, retired: None }
    }
}

impl Engine for Native {
    fn run(&mut self, case: &Case) -> Outcome {
        self.load(case);
        set_running(true);
        // SAFETY: the frame and the code are in place, handlers catch what the case raises, and the generator emits no
        // instruction that could reach outside of the mapped scratch memory except by a fault.
        let left_by_signal = unsafe { reenact_native_enter() } != 0;
        set_running(false);
        let end = if left_by_signal { End::Fault(last_fault()) } else { End::Reached };
        self.store(case, end)
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        for &(at, size) in &self.mappings {
            // SAFETY: mapped by `new` with this size; nothing refers to it any more.
            unsafe { libc::munmap(at, size) };
        }
    }
}
