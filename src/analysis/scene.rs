//! The scene that plugins look around in: one machine at one event, and the Linux inside.
//!
//! Everything is read from the memory of this very Moment, so that what a plugin is told does not depend on where the slice
//! began. What is kept between events is only what cannot differ: names of a set of modules.

use super::kernel::Kernel;
use crate::cpu::Cpu;
use crate::cpu::tap::{Seen, What};
use crate::guest::{Descriptor, Kind, Known, Mapping, Physical, Space, Symbols, Task, Vcpu, View};
use reenact_plugin::{File, Process, Registers, Scene, SyscallFrame};
use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;

/// Where kernels live.
const UPPER: u64 = 0xffff_8000_0000_0000;
/// Bytes of `struct pt_regs`.
const FRAME: usize = 168;

/// The symbols of a set of modules.
pub struct Modules {
    /// What tells the set: where each module is described and loaded.
    loaded: Vec<(u64, Range<u64>)>,
    symbols: Symbols,
}

/// The modules that were asked for last.
pub type Loaded = RefCell<Option<Rc<Modules>>>;

/// A machine at an event.
pub struct At<'a> {
    cpu: &'a Cpu,
    moment: u64,
    seen: Option<&'a Seen<'a>>,
    /// The kernel that runs, if one is known.
    kernel: Option<&'a Kernel>,
    /// Why none is known.
    absent: Option<&'a str>,
    loaded: &'a Loaded,
    modules: OnceCell<Rc<Modules>>,
}

impl<'a> At<'a> {
    /// At something seen, or (with none) where the CPU stands. `kernel` is that of the recording, or why there is none.
    pub fn new(
        cpu: &'a Cpu,
        seen: Option<&'a Seen<'a>>,
        kernel: Result<&'a Kernel, &'a str>,
        loaded: &'a Loaded,
    ) -> At<'a> {
        At {
            cpu,
            moment: seen.map_or_else(|| cpu.icount(), |s| s.moment),
            seen,
            kernel: kernel.ok().filter(|k| k.runs_on(cpu)),
            absent: kernel.err(),
            loaded,
            modules: OnceCell::new(),
        }
    }
    fn with_view<T>(&self, ask: impl FnOnce(&View) -> Known<T>) -> Option<T> {
        let kernel = self.kernel?;
        ask(&View::new(self.cpu, Vcpu::of_cpu(self.cpu), &kernel.profile).ok()?).ok()
    }
    fn with_task<T>(&self, task: u64, ask: impl FnOnce(&View, Task) -> Known<T>) -> Option<T> {
        self.with_view(|view| ask(view, Task::at(view, task)))
    }
    /// The modules that are loaded now.
    fn modules(&self) -> &Modules {
        self.modules.get_or_init(|| {
            let mut last = self.loaded.borrow_mut();
            let now = self.with_view(Modules::loaded).unwrap_or_default();
            match last.as_ref().filter(|known| known.loaded == now) {
                Some(known) => known.clone(),
                None => {
                    let symbols = self.with_view(|view| Ok(Modules::symbols(view)));
                    let symbols = symbols.unwrap_or_else(|| Symbols::new(std::iter::empty()));
                    last.insert(Rc::new(Modules { loaded: now, symbols })).clone()
                }
            }
        })
    }
}

impl Modules {
    fn loaded(view: &View) -> Known<Vec<(u64, Range<u64>)>> {
        let modules = view.modules()?;
        let parts = modules.iter().flat_map(|m| m.parts.iter().map(|part| (m.address(), part.clone())));
        Ok(parts.collect())
    }
    fn symbols(view: &View) -> Symbols {
        let modules = view.modules().unwrap_or_default();
        Symbols::new(modules.iter().filter_map(|module| module.symbols().ok()).flatten())
    }
    fn at(&self, address: u64) -> Option<(&str, u64)> {
        let part = self.loaded.iter().map(|(_, part)| part).find(|part| part.contains(&address))?;
        let found = self.symbols.at(address)?;
        // A symbol of another part says nothing.
        (address - found.offset >= part.start).then_some((found.name, found.offset))
    }
}

impl Scene for At<'_> {
    fn moment(&self) -> u64 {
        self.moment
    }
    fn time_ns(&self) -> u64 {
        match self.seen {
            Some(Seen { what: What::Idle { until_ns }, .. }) => *until_ns,
            _ => self.cpu.clock_ns(self.moment),
        }
    }
    fn registers(&self) -> Registers {
        let mut general = [0; 16];
        general.copy_from_slice(&self.cpu.regs[..16]);
        let (mut rip, mut cpl) = (self.cpu.rip, self.cpu.state.cpl);
        if let Some(front) = self.seen.and_then(|seen| seen.front) {
            (general, rip, cpl) = (front.regs, front.rip, front.cpl);
        }
        Registers { general, rip, cr2: self.cpu.state.cr2, cr3: self.cpu.state.cr3, cpl }
    }
    fn rip(&self) -> u64 {
        self.seen.and_then(|seen| seen.front).map_or(self.cpu.rip, |front| front.rip)
    }
    fn task(&self) -> Option<reenact_plugin::Task> {
        let kernel = self.kernel?;
        kernel.task(self.cpu, kernel.current(self.cpu)?)
    }
    fn task_at(&self, task: u64) -> Option<reenact_plugin::Task> {
        self.kernel?.task(self.cpu, task)
    }
    fn tasks(&self) -> Vec<reenact_plugin::Task> {
        let all = |view: &View| -> Known<Vec<u64>> {
            let mut found = Vec::new();
            for process in view.processes()? {
                found.extend(process.threads()?.into_iter().map(Task::address));
            }
            Ok(found)
        };
        let found = self.with_view(all).unwrap_or_default();
        found.into_iter().filter_map(|at| self.task_at(at)).collect()
    }
    fn process(&self, task: u64) -> Option<Process> {
        self.with_task(task, |_, task| {
            let memory = task.memory();
            let credentials = task.credentials().ok();
            Ok(Process {
                ppid: task.parent().and_then(|parent| parent.pid()).ok(),
                exe: memory.as_ref().ok().and_then(|m| m.exe().ok()),
                arguments: memory.as_ref().ok().and_then(|m| m.argv().ok()),
                cwd: task.cwd().ok(),
                uid: credentials.map(|c| (c.uid, c.euid)),
                gid: credentials.map(|c| (c.gid, c.egid)),
                is_kernel_thread: task.is_kernel_thread()?,
            })
        })
    }
    fn file(&self, task: u64, descriptor: reenact_plugin::Descriptor) -> Option<File> {
        self.with_task(task, |_, task| task.descriptor(descriptor))?.and_then(file)
    }
    fn descriptors(&self, task: u64) -> Option<Vec<(reenact_plugin::Descriptor, File)>> {
        let all = self.with_task(task, |_, task| task.descriptors())?;
        Some(all.into_iter().filter_map(|d| Some((d.number, file(d)?))).collect())
    }
    fn mapping(&self, task: u64, address: u64) -> Option<reenact_plugin::Mapping> {
        let map = self.with_task(task, |_, task| task.memory()?.map())?;
        map.into_iter().find(|m| (m.start..m.end).contains(&address)).map(mapping)
    }
    fn syscall_frame(&self, task: u64) -> Option<SyscallFrame> {
        let kernel = self.kernel?;
        let frame = self.with_task(task, |view, task| {
            let stack = task.object().u64(crate::guest::Member::TaskStack)?;
            let at = stack.wrapping_add(kernel.thread_size - FRAME as u64);
            let mut bytes = [0; FRAME];
            view.kernel().read(at, &mut bytes)?;
            Ok(bytes)
        })?;
        // struct pt_regs: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss.
        let word = |i: usize| u64::from_le_bytes(frame[i * 8..i * 8 + 8].try_into().expect("eight bytes"));
        let is_user = word(17) & 3 == 3;
        is_user.then(|| SyscallFrame {
            number: word(15) as i64,
            rax: word(10),
            arguments: [word(14), word(13), word(12), word(7), word(9), word(8)],
            rip: word(16),
            rsp: word(19),
        })
    }
    fn read(&self, linear: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = linear.wrapping_add(done as u64);
            let gpa = match self.kernel {
                // CR3 may be a program's table, which has little of the kernel's half.
                Some(kernel) if at >= UPPER => Space { ram: self.cpu, root: kernel.profile.root }.translate(at),
                _ => self.cpu.translate_quietly(at),
            };
            let room = (into.len() - done).min((4096 - at % 4096) as usize);
            let Some(gpa) = gpa else { break };
            if self.read_physical(gpa, &mut into[done..done + room]) < room {
                break;
            }
            done += room;
        }
        done
    }
    fn read_physical(&self, physical: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = physical.wrapping_add(done as u64);
            let Some(bytes) = self.cpu.page(at).and_then(|page| page.get((at % 4096) as usize..)) else { break };
            let room = bytes.len().min(into.len() - done);
            into[done..done + room].copy_from_slice(&bytes[..room]);
            done += room;
        }
        done
    }
    fn symbol(&self, address: u64) -> Option<(&str, u64)> {
        let profile = &self.kernel?.profile;
        if profile.image.contains(&address) {
            return profile.symbols.at(address).map(|located| (located.name, located.offset));
        }
        if address < UPPER { None } else { self.modules().at(address) }
    }
    fn address_of(&self, symbol: &str) -> Option<u64> {
        self.kernel?.profile.symbols.address(symbol)
    }
    fn syscall_name(&self, number: u32) -> Option<&str> {
        self.kernel?.syscall_name(number)
    }
    fn no_linux(&self) -> Option<String> {
        if self.kernel.is_some() {
            return None;
        }
        Some(self.absent.unwrap_or("the kernel that the recording's end shows does not run at this Moment").to_owned())
    }
}

/// As plugins see it; `None` if its path cannot be read.
fn file(d: Descriptor) -> Option<File> {
    let socket = match &d.kind {
        Kind::Socket(Ok(socket)) => Some(socket.to_string()),
        _ => None,
    };
    Some(File { path: d.path.ok()?, at: d.at, flags: d.flags, mode: u32::from(d.mode), position: d.position, socket })
}

fn mapping(m: Mapping) -> reenact_plugin::Mapping {
    let offset = m.file.as_ref().map_or(0, |f| f.offset);
    let path = m.file.and_then(|f| f.path.ok()).or(m.name);
    reenact_plugin::Mapping { from: m.start, to: m.end, offset, path }
}
