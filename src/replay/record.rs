//! Recording: runs a machine, writes down what came in from the host, and closes with a final Digest.
//!
//! This is the host edge: the only place where the host's clock, threads and console meet the machine, always by
//! way of an Input that is in the file before the guest sees it.

use super::console::{Console, Typed};
use super::{COUNTING_RULE, CPU_MODEL, CPU_MODEL_VERSION, Error, MACHINE, deliver, next_digest, reason};
use crate::machine::Geometry;
use crate::machine::boot::{BootPlan, GuestImage, detect};
use crate::machine::digest::Hash;
use crate::machine::{Exit, Machine, MachineError, MachinePlan};
use crate::moment::Moment;
use crate::recording::{
    BootKind, CpuModel, Draft, ExitReason, Header, Identity, Image, ImageRole, Input, InputData, MachineConfig,
    ProgramInfo, Writer,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Instructions between two looks at the console while somebody may type.
const SLICE: u64 = 1 << 20;
/// Instructions between two looks at the wall clock, for cutting frames.
const FLUSH_SLICE: u64 = 1 << 23;
/// The longest look at the console while nothing is due.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Bytes that are kept for a guest that does not listen yet, before nothing more is read.
const HELD_MOST: usize = 64 << 10;
/// Instructions between two Digests.
pub const DIGEST_INTERVAL: u64 = 1 << 24;

/// What to record.
pub struct Plan {
    /// The kernel file's name, for the header.
    pub kernel_name: String,
    /// The initrd file's name, for the header.
    pub initrd_name: String,
    /// What to boot.
    pub boot: BootPlan,
    /// RAM in bytes.
    pub ram_bytes: u64,
    /// The host's clock now, ns since 1970; for the header only.
    pub host_ns: u64,
    /// The wall clock that the guest's real-time clock starts at, ns since 1970.
    pub wall_clock_ns: u64,
    /// Instructions between Digests.
    pub digest_interval: u64,
    /// The command line that asked for this, for the header.
    pub command_line: Vec<String>,
    /// The program that the guest was built around.
    pub program: Option<ProgramInfo>,
    /// Replace an existing file.
    pub overwrite: bool,
    /// End after this many instructions.
    pub limit: Option<Moment>,
    /// Cache sizes.
    pub geometry: Geometry,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Where it is.
    pub path: PathBuf,
    /// Why it ended.
    pub reason: ExitReason,
    /// Instructions retired.
    pub instructions: Moment,
    /// Virtual nanoseconds.
    pub guest_ns: u64,
    /// The head of the hash chain.
    pub identity: Identity,
    /// Digest of the final state.
    pub digest: Hash,
    /// The wait status that the recorded program ended with, if one was reported.
    pub program_status: Option<u32>,
}

/// Records until the guest ends, the user stops it, or the limit is reached. `stop` is asked now and then.
pub fn record(plan: Plan, path: &Path, console: &mut dyn Console, stop: &dyn Fn() -> bool) -> Result<Summary, Error> {
    let header = header(&plan)?;
    let mut images = vec![Image { role: ImageRole::Kernel, name: &plan.kernel_name, bytes: &plan.boot.kernel }];
    if let Some(initrd) = &plan.boot.initrd {
        images.push(Image { role: ImageRole::Initrd, name: &plan.initrd_name, bytes: initrd });
    }
    let draft = Draft::create(path, plan.overwrite, header, &images)?;
    let (wall_clock_ns, digest_interval, limit, geometry) =
        (plan.wall_clock_ns, plan.digest_interval, plan.limit, plan.geometry);
    let machine_plan = MachinePlan { ram_bytes: plan.ram_bytes, wall_clock_ns, boot: plan.boot };
    let machine = Machine::new(&machine_plan, geometry)?;
    // The images are in the machine's RAM and in the file now.
    drop(machine_plan);
    let mut writer = draft.publish()?;
    writer.input(&Input { at: Moment(0), data: InputData::WallClock { ns: wall_clock_ns } })?;
    #[expect(clippy::disallowed_methods, reason = "the host edge: paces the guest and cuts frames")]
    let started = Instant::now();
    let mut recorder = Recorder { machine, writer, console, is_open: true, held: Vec::new(), digest_interval, started };
    if !recorder.console.is_live() {
        let typed = recorder.console.typed(Duration::ZERO);
        recorder.take(typed)?;
    }
    recorder.run(limit.unwrap_or(Moment(u64::MAX)), stop, path)
}

fn header(plan: &Plan) -> Result<Header, Error> {
    let boot = match detect(&plan.boot.kernel).map_err(MachineError::from)? {
        GuestImage::BzImage => BootKind::LinuxBzImage,
        GuestImage::ElfPvh => BootKind::ElfPvh,
        GuestImage::Elf64 => BootKind::Elf64,
        GuestImage::Multiboot1 => BootKind::Multiboot1,
    };
    Ok(Header {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: plan.geometry.engine.name().to_owned(),
        machine: MachineConfig {
            description: MACHINE.to_owned(),
            ram_bytes: plan.ram_bytes,
            cpu_model: CpuModel { name: CPU_MODEL.to_owned(), version: CPU_MODEL_VERSION },
            boot,
            kernel_cmdline: plan.boot.cmdline.clone(),
        },
        counting_rule: COUNTING_RULE.to_owned(),
        wall_clock_start_ns: plan.host_ns,
        command_line: plan.command_line.clone(),
        digest_interval: plan.digest_interval,
        program: plan.program.clone(),
        images: Vec::new(),
    })
}

struct Recorder<'a> {
    machine: Machine,
    writer: Writer,
    console: &'a mut dyn Console,
    /// Somebody may still type.
    is_open: bool,
    /// Typed before the guest listened.
    held: Vec<u8>,
    digest_interval: u64,
    started: Instant,
}

impl Recorder<'_> {
    fn run(mut self, limit: Moment, stop: &dyn Fn() -> bool, path: &Path) -> Result<Summary, Error> {
        let mut digest_at = next_digest(Moment(0), self.digest_interval);
        let reason = loop {
            let now = self.machine.now();
            let slice = Moment(now.0 + if self.is_open { SLICE } else { FLUSH_SLICE });
            let exit = self.machine.run(limit.min(digest_at).min(slice), self.is_open);
            self.outputs()?;
            if let Some(reason) = reason(&exit) {
                break reason;
            }
            let now = self.machine.now();
            if now == digest_at {
                let digest = self.machine.digest();
                self.writer.digest(&crate::recording::Digest { at: now, digest })?;
                digest_at = next_digest(now, self.digest_interval);
            }
            if now >= limit {
                break ExitReason::LimitReached;
            }
            let wants_out = match exit {
                Exit::Halted { until_ns } => self.idle(until_ns)?,
                _ => self.listen(Duration::ZERO)?,
            };
            if wants_out || stop() {
                break ExitReason::Stopped;
            }
            self.writer.flush_if_due(self.started.elapsed())?;
        };
        let at = self.machine.now();
        let digest = self.machine.digest();
        self.finish_outputs()?;
        let guest_ns = self.machine.clock_ns();
        let program_status = self.machine.pc.program_status();
        let identity = self.writer.finish(at, digest, reason.clone(), program_status)?;
        Ok(Summary { path: path.to_owned(), reason, instructions: at, guest_ns, identity, digest, program_status })
    }

    /// The CPU waits for an interrupt.
    fn idle(&mut self, until_ns: Option<u64>) -> Result<bool, Error> {
        let due = until_ns.map(|ns| ns.saturating_sub(self.machine.clock_ns()));
        let is_listening = self.machine.pc.is_console_listening();
        if is_listening && (!self.held.is_empty() || !self.console.is_live()) {
            return self.listen(Duration::ZERO);
        }
        if !self.console.is_live() || self.held.len() >= HELD_MOST {
            return self.skip(due).map(|()| false);
        }
        // Real time passes until the next timer or until somebody types.
        self.writer.flush_if_due(self.started.elapsed())?;
        let before = self.started.elapsed();
        let typed = self.console.typed(due.map_or(LONGEST_WAIT, |ns| LONGEST_WAIT.min(Duration::from_nanos(ns))));
        let waited = (self.started.elapsed() - before).as_nanos() as u64;
        if typed == Typed::Closed {
            self.skip(due)?;
        } else {
            self.pass(due.map_or(waited, |due| waited.min(due)))?;
        }
        self.take(typed)
    }

    /// Nobody waits: what is due next comes at once.
    fn skip(&mut self, due: Option<u64>) -> Result<(), Error> {
        // If nothing is due ever, only the machine can tell what becomes of that.
        if due.is_none() {
            self.held.clear();
            self.is_open = false;
        }
        self.pass(due.unwrap_or(0))
    }

    fn pass(&mut self, ns: u64) -> Result<(), Error> {
        if ns > 0 { self.input(InputData::HaltAdvance { ns }) } else { Ok(()) }
    }

    /// Takes what was typed while the guest ran.
    fn listen(&mut self, wait: Duration) -> Result<bool, Error> {
        if !self.is_open || !self.machine.pc.is_console_listening() {
            return Ok(false);
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            return self.take(Typed::Bytes(held));
        }
        let typed = self.console.typed(wait);
        self.take(typed)
    }

    /// What comes before the guest listens is kept until it does: on a real PC it would be lost.
    fn take(&mut self, typed: Typed) -> Result<bool, Error> {
        match typed {
            Typed::Bytes(bytes) if !self.machine.pc.is_console_listening() => self.held.extend(bytes),
            Typed::Bytes(bytes) => self.input(InputData::SerialRx { port: 0, bytes })?,
            Typed::Nothing => {}
            Typed::Closed => self.is_open = !self.held.is_empty(),
            Typed::Stop => return Ok(true),
        }
        Ok(false)
    }

    fn input(&mut self, data: InputData) -> Result<(), Error> {
        deliver(&mut self.machine, &data);
        self.writer.input(&Input { at: self.machine.now(), data })?;
        Ok(())
    }

    fn outputs(&mut self) -> Result<(), Error> {
        let live = self.machine.pc.transcript.take_live();
        if !live.is_empty() {
            self.console.show(&live).map_err(Error::Console)?;
        }
        for sent in self.machine.pc.transcript.take_sent() {
            self.writer.output(sent.at, 0, &sent.bytes)?;
        }
        Ok(())
    }

    fn finish_outputs(&mut self) -> Result<(), Error> {
        self.machine.pc.transcript.end(self.machine.now().0);
        self.outputs()
    }
}
