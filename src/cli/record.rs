//! `reenact record`: a guest of the user's, or one program of the host in a guest made for it.

use super::engine::EngineOptions;
use super::{Failure, Outcome, Result, size, terminal, text};
use crate::machine::boot::BootPlan;
use crate::moment::Moment;
use crate::pack::{self, ProgramSpec, kernel};
use crate::recording::ProgramInfo;
use crate::replay::record::{DIGEST_INTERVAL, Plan, Summary, record};
use anyhow::{Context, anyhow};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Run a virtual machine and record everything that it does.
///
/// Either give a guest (--kernel, --initrd, --append), or a program of this host after "--": it is packed with its
/// libraries, run under a distribution kernel, and its exit status is reported.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  reenact record -- /bin/ls -l /\n  reenact record --kernel vmlinuz --initrd root.gz --append console=ttyS0 -o boot.reen\n\nOn a terminal, Ctrl-A X ends the recording and Ctrl-A Ctrl-A sends Ctrl-A."
)]
pub struct Record {
    /// Kernel image: bzImage, ELF64 (PVH or plain), or multiboot 1.
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Initial RAM disk, or the multiboot module.
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// Kernel command line.
    #[arg(long, value_name = "STRING")]
    append: Option<String>,
    /// Guest RAM, for example 256M or 2G.
    #[arg(long, value_name = "SIZE", value_parser = size::bytes, default_value = "256M")]
    memory: u64,
    /// The recording to write [default: boot.reen, or PROGRAM.reen].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing recording.
    #[arg(long)]
    force: bool,
    /// Also put this file or folder of the host into the guest (with a PROGRAM).
    #[arg(long = "file", value_name = "HOST[:GUEST]")]
    files: Vec<String>,
    /// Never fetch a kernel from the network.
    #[arg(long)]
    offline: bool,
    /// End after this many instructions.
    #[arg(long, value_name = "INSTRUCTIONS")]
    limit: Option<u64>,
    /// Instructions between two digests.
    #[arg(long, value_name = "INSTRUCTIONS", default_value_t = DIGEST_INTERVAL, hide = true)]
    digest_interval: u64,
    /// Date that the guest's clock starts at: seconds since 1970, or now. Fixed by default, so that equal guests make
    /// equal runs [default: 1767225600, which is 2026-01-01 UTC].
    #[arg(long, value_name = "SECONDS|now", value_parser = size::start_time, hide_default_value = true, default_value = "1767225600")]
    start_time: size::StartTime,
    #[command(flatten)]
    engine: EngineOptions,
    /// A program of this host and its arguments.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Record {
    pub fn execute(self) -> Result {
        let output = self.output_path();
        if output.symlink_metadata().is_ok() && !self.force {
            return Err(Failure::Usage(anyhow!(
                "{} exists; give another name with -o, or --force to replace it",
                output.display()
            )));
        }
        let is_program = !self.program.is_empty();
        let plan = if is_program { self.program_plan()? } else { self.guest_plan()? };
        terminal::catch_signals();
        #[expect(clippy::disallowed_methods, reason = "the host edge: reports how long the recording took")]
        let started = Instant::now();
        let mut console = terminal::Terminal::open(is_program);
        let summary = record(plan, &output, &mut console, &terminal::is_interrupted)?;
        drop(console);
        print(&summary, started.elapsed().as_secs_f64());
        Ok(Outcome::Done)
    }

    fn output_path(&self) -> PathBuf {
        let named = self
            .program
            .first()
            .and_then(|p| Path::new(p).file_name())
            .map(|n| PathBuf::from(n).with_added_extension("reen"));
        self.output.clone().or(named).unwrap_or_else(|| PathBuf::from("boot.reen"))
    }

    fn guest_plan(&self) -> Result<Plan> {
        let Some(kernel) = &self.kernel else {
            return Err(Failure::Usage(anyhow!(
                "nothing to record: give --kernel FILE, or a program after --, for example: reenact record -- /bin/ls -l /"
            )));
        };
        if !self.files.is_empty() {
            return Err(Failure::Usage(anyhow!(
                "--file goes with a program after --; put files for your own guest into its initrd"
            )));
        }
        let boot = BootPlan {
            kernel: read(kernel, "kernel")?,
            initrd: self.initrd.as_deref().map(|p| read(p, "initrd")).transpose()?,
            cmdline: self.append.clone().unwrap_or_else(|| "console=ttyS0 panic=-1".to_owned()),
        };
        let initrd_name = self.initrd.as_deref().map(name).unwrap_or_default();
        self.plan(boot, name(kernel), initrd_name, None, self.memory)
    }

    fn program_plan(&self) -> Result<Plan> {
        if self.initrd.is_some() {
            return Err(Failure::Usage(anyhow!(
                "--initrd and a program after -- exclude each other: the program's guest has its own initrd"
            )));
        }
        let cwd = std::env::current_dir().context("cannot tell the current directory")?;
        let (program, args) = self.program.split_first().expect("the caller has seen a program");
        let mut spec = ProgramSpec::new(program.clone(), args.to_vec(), cwd.clone());
        for file in &self.files {
            spec.extra_files.push(pack::parse_file_argument(file, &cwd).map_err(|e| Failure::Usage(e.into()))?);
        }
        let packed = pack::pack(&spec)?;
        for note in &packed.notes {
            eprintln!("reenact: {note}");
        }
        // Only now: nothing is fetched for a program that cannot be packed.
        let search = kernel::KernelSearch::of_host(self.kernel.clone(), self.offline);
        let found = kernel::find(&search, &mut |said| eprintln!("reenact: {said}"))?;
        let memory = self.memory.max(packed.least_memory_mib() << 20);
        let cmdline = match &self.append {
            Some(more) => format!("{} {more}", packed.cmdline),
            None => packed.cmdline,
        };
        let boot = BootPlan { kernel: read(&found.path, "kernel")?, initrd: Some(packed.initrd), cmdline };
        let text = |s: &OsString| s.to_string_lossy().into_owned();
        let info = ProgramInfo { path: text(program), args: args.iter().map(text).collect() };
        self.plan(boot, name(&found.path), "(packed)".to_owned(), Some(info), memory)
    }

    fn plan(
        &self,
        boot: BootPlan,
        kernel_name: String,
        initrd_name: String,
        program: Option<ProgramInfo>,
        ram_bytes: u64,
    ) -> Result<Plan> {
        #[expect(clippy::disallowed_methods, reason = "the host edge: what the guest's clock starts at is an Input")]
        let now = SystemTime::now();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        Ok(Plan {
            kernel_name,
            initrd_name,
            boot,
            ram_bytes,
            host_ns: since,
            wall_clock_ns: match self.start_time {
                size::StartTime::Now => since,
                size::StartTime::At(s) => s.saturating_mul(1_000_000_000),
            },
            digest_interval: self.digest_interval,
            command_line: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
            program,
            overwrite: self.force,
            limit: self.limit.map(Moment),
            geometry: self.engine.geometry()?,
        })
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(path).with_context(|| format!("cannot read the {what} {}", path.display()))?)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn print(s: &Summary, wall: f64) {
    let bytes = std::fs::metadata(&s.path).map_or(0, |m| m.len());
    let path = s.path.display();
    eprintln!();
    if let Some(status) = s.program_status {
        eprintln!("program        {}", text::ending(status));
    }
    eprintln!("ended          {}", s.reason);
    eprintln!(
        "instructions   {} in {wall:.2} s ({:.0} MIPS), {} of guest time",
        text::moment(s.instructions),
        s.instructions.0 as f64 / wall / 1e6,
        text::seconds(s.guest_ns)
    );
    eprintln!("recording      {path}, {}", text::size(bytes));
    eprintln!("identity       {}", s.identity);
    eprintln!("next           reenact verify {path}");
}
