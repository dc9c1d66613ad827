//! `reenact dump`: the guest's memory at a Moment as a file for other tools.

use super::{Outcome, Result, place, size, text};
use crate::guest::{self, Profile, Vcpu, View};
use anyhow::Context;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

/// Write the guest's memory at a Moment to a file that other tools open.
#[derive(clap::Args)]
pub struct Dump {
    /// The recording.
    recording: PathBuf,
    /// When: an instruction number, a percentage, or end.
    #[arg(long, value_name = "MOMENT", value_parser = size::place)]
    at: size::Place,
    /// The file's layout.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to make; it must not be there yet.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// An ELF core with VMCOREINFO: drgn, crash, Volatility.
    Elf,
    /// Every byte at its physical address.
    Raw,
    /// LiME version 1: Volatility.
    Lime,
}

impl Dump {
    pub fn execute(self) -> Result {
        let path = self.output.display().to_string();
        let file = File::create_new(&self.output)
            .with_context(|| format!("{path}: cannot make the file; give another name or remove what is there"))?;
        let written = self.write(file);
        if written.is_err() {
            // What is half written looks like a dump; the first error is the one to tell.
            let _ = std::fs::remove_file(&self.output);
        }
        written.map(|()| Outcome::Done)
    }

    fn write(&self, file: File) -> Result<()> {
        let travel = place::travel_to(&self.recording, self.at)?;
        let machine = travel.machine();
        let profile = Profile::of(machine);
        let note = profile.as_ref().map_err(Clone::clone).and_then(|p| View::of(machine, p)?.vmcoreinfo());
        let format = match self.format {
            Format::Elf => guest::dump::Format::Elf,
            Format::Raw => guest::dump::Format::Raw,
            Format::Lime => guest::dump::Format::Lime,
        };
        if let (guest::dump::Format::Elf, Err(absent)) = (format, &note) {
            eprintln!("reenact: the dump has no VMCOREINFO, so drgn and crash will not know its kernel: {absent}");
        }
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let path = self.output.display();
        guest::dump::write(&mut out, machine, &Vcpu::of(machine), note.ok().as_deref(), format).with_context(|| {
            format!("{path}: cannot write the dump; is there room for {}?", text::size(machine.ram().bytes()))
        })?;
        println!("{path}: memory at instruction {}", text::moment(machine.now()));
        Ok(())
    }
}
