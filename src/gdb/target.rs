//! What gdbstub asks of a target, answered by the session. Running is only noted here ([`Resume`]) and done by
//! [`super::client`], which must go on listening meanwhile.

use super::Settings;
use super::arch::{RegisterFile, X86};
use super::monitor;
use super::stops::{Kind, Table};
use crate::session::{Direction, Error, Memory, Session};
use gdbstub::common::Signal;
use gdbstub::target::ext::auxv::{Auxv, AuxvOps};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::reverse_exec::{ReverseCont, ReverseContOps, ReverseStep, ReverseStepOps};
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadRangeStepping, SingleThreadRangeSteppingOps, SingleThreadResume,
    SingleThreadResumeOps, SingleThreadSingleStep, SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::{TargetError, TargetResult};

/// EIO: what gdb is told where memory is missing or nothing can be written.
const EIO: u8 = 5;

/// What gdb wants to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Run until something stops it.
    Run(Direction),
    /// One step.
    Step(Direction),
    /// Steps as long as the instruction pointer is in this range.
    Range(u64, u64),
}

/// One client's view of the session.
pub struct Target<'a> {
    /// The recording.
    pub session: &'a Session,
    /// What monitor commands have set; stays when the client goes.
    pub settings: &'a mut Settings,
    /// The client's breakpoints and watchpoints.
    pub stops: Table,
    /// Set when gdb resumed; taken by the client's loop.
    pub resume: Option<Resume>,
}

impl Target<'_> {
    fn resume(&mut self, how: Resume) -> Result<(), Error> {
        self.resume = Some(how);
        Ok(())
    }
}

/// The session is gone: the debugging ends. Any other trouble is one failed request.
fn judge(error: Error) -> TargetError<Error> {
    match error {
        Error::Ended => TargetError::Fatal(error),
        _ => TargetError::Errno(EIO),
    }
}

impl gdbstub::target::Target for Target<'_> {
    type Arch = X86;
    type Error = Error;

    fn base_ops(&mut self) -> BaseOps<'_, X86, Error> {
        BaseOps::SingleThread(self)
    }
    fn use_no_ack_mode(&self) -> bool {
        // Acknowledging is done in front of gdbstub: see `beside`.
        false
    }
    fn use_rle(&self) -> bool {
        false
    }
    fn guard_rail_implicit_sw_breakpoints(&self) -> bool {
        true
    }
    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        if self.settings.auxv.is_empty() { None } else { Some(self) }
    }
}

impl SingleThreadBase for Target<'_> {
    fn read_registers(&mut self, regs: &mut RegisterFile) -> TargetResult<(), Self> {
        *regs = self.session.ask(|seat| Ok(RegisterFile::new(&seat.registers()))).map_err(judge)?;
        Ok(())
    }

    /// Refused with a reason in front of gdbstub: see `beside`.
    fn write_registers(&mut self, _: &RegisterFile) -> TargetResult<(), Self> {
        Err(TargetError::Errno(EIO))
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        let len = data.len();
        let bytes = self.session.ask(move |seat| seat.read(Memory::Current, start, len)).map_err(judge)?;
        let n = bytes.len().min(len);
        if let (Some(to), Some(from)) = (data.get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    /// Refused with a reason in front of gdbstub: see `beside`.
    fn write_addrs(&mut self, _: u64, _: &[u8]) -> TargetResult<(), Self> {
        Err(TargetError::Errno(EIO))
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadResume for Target<'_> {
    /// A signal cannot be given to the past and is passed over.
    fn resume(&mut self, _: Option<Signal>) -> Result<(), Error> {
        Target::resume(self, Resume::Run(Direction::Forward))
    }
    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
    fn support_range_step(&mut self) -> Option<SingleThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }
    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, (), Self>> {
        Some(self)
    }
    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, (), Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Target<'_> {
    fn step(&mut self, _: Option<Signal>) -> Result<(), Error> {
        Target::resume(self, Resume::Step(Direction::Forward))
    }
}

impl SingleThreadRangeStepping for Target<'_> {
    fn resume_range_step(&mut self, start: u64, end: u64) -> Result<(), Error> {
        Target::resume(self, Resume::Range(start, end))
    }
}

impl ReverseStep<()> for Target<'_> {
    fn reverse_step(&mut self, (): ()) -> Result<(), Error> {
        Target::resume(self, Resume::Step(Direction::Backward))
    }
}

impl ReverseCont<()> for Target<'_> {
    fn reverse_cont(&mut self) -> Result<(), Error> {
        Target::resume(self, Resume::Run(Direction::Backward))
    }
}

impl Breakpoints for Target<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Target<'_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.stops.add_breakpoint(address, Kind::Software))
    }
    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.stops.remove_breakpoint(address, Kind::Software))
    }
}

impl HwBreakpoint for Target<'_> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.stops.add_breakpoint(address, Kind::Hardware))
    }
    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.stops.remove_breakpoint(address, Kind::Hardware))
    }
}

impl HwWatchpoint for Target<'_> {
    fn add_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(self.stops.add_watch(address, len, kind))
    }
    fn remove_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(self.stops.remove_watch(address, len, kind))
    }
}

impl MonitorCmd for Target<'_> {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Error> {
        let command = String::from_utf8_lossy(command);
        monitor::run(self.session, self.settings, &command, &mut |text| {
            out.write_raw(text.as_bytes());
            out.flush();
        });
        Ok(())
    }
}

impl Auxv for Target<'_> {
    fn get_auxv(&self, offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.settings.auxv.len());
        let rest = &self.settings.auxv[from..];
        let n = rest.len().min(length).min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}
