//! `reenact info`: what a recording says about itself, without replaying it.

use super::{Outcome, Result, text};
use crate::recording::{ImageRole, Reader, Summary};
use serde_json::json;
use std::path::PathBuf;

/// Show what a recording holds, and check that the file is whole.
#[derive(clap::Args)]
pub struct Info {
    /// The recording.
    recording: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Info {
    pub fn execute(self) -> Result {
        let reader = Reader::open(&self.recording)?;
        let summary = reader.summary()?;
        if self.json {
            print_json(&reader, &summary)
        } else {
            print_text(&reader, &summary)
        }
        match &summary.damage {
            None => Ok(Outcome::Done),
            Some(damage) => Err(anyhow::anyhow!(
                "{}: {damage}; `reenact verify` replays what comes before",
                self.recording.display()
            )
            .into()),
        }
    }
}

/// Virtual time that passed while the CPU was halted is known only to a replay, but for what Inputs tell.
fn print_text(reader: &Reader, s: &Summary) {
    let h = reader.header();
    let line = |name: &str, value: String| println!("{name:<15}{value}");
    line("recording", reader.path().display().to_string());
    line(
        "identity",
        s.identity().map_or_else(|| format!("none: not closed (chain head {})", s.chain_head), |i| i.to_string()),
    );
    line(
        "ended",
        s.end
            .as_ref()
            .map_or("not closed: the recorder was killed or is still running".to_owned(), |e| e.reason.to_string()),
    );
    if let Some(status) = s.end.as_ref().and_then(|e| e.program_status) {
        line("program ended", text::ending(status));
    }
    if let Some(p) = &h.program {
        line("program", std::iter::once(&p.path).chain(&p.args).cloned().collect::<Vec<_>>().join(" "));
    }
    line("instructions", text::moment(s.last));
    line("started", text::utc(h.wall_clock_start_ns));
    line("machine", format!("{}, {} of RAM", h.machine.description, text::size(h.machine.ram_bytes)));
    line(
        "cpu",
        format!("{} version {}, recorded by the {}", h.machine.cpu_model.name, h.machine.cpu_model.version, h.engine),
    );
    line("counting", h.counting_rule.clone());
    for i in &h.images {
        line(&i.role.to_string(), format!("{}, {}, blake3 {}", i.name, text::size(i.len), text::hex(&i.blake3)));
    }
    line("command line", h.machine.kernel_cmdline.clone());
    for (source, count) in &s.inputs_by_source {
        line("input", format!("{source}: {}", text::grouped(*count)));
    }
    line("console", format!("{} in {} outputs", text::size(s.counts.console_bytes), text::grouped(s.counts.outputs)));
    line(
        "digests",
        format!("{}, every {} instructions", text::grouped(s.counts.digests), text::grouped(h.digest_interval)),
    );
    line("tool", format!("reenact {}, format {}", h.tool_version, reader.format_version()));
}

fn print_json(reader: &Reader, s: &Summary) {
    let h = reader.header();
    let role = |r: ImageRole| r.to_string();
    let value = json!({
        "identity": s.identity().map(|i| i.to_string()),
        "chain_head": s.chain_head.to_string(),
        "final_digest": s.end.as_ref().map(|e| text::hex(&e.digest)),
        "instructions": s.last.0,
        "closed": s.is_closed(),
        "console_bytes": s.counts.console_bytes,
        "outputs": s.counts.outputs,
        "digests": s.counts.digests,
        "inputs": s.inputs_by_source.iter().map(|(k, v)| (k.to_string(), json!(v))).collect::<serde_json::Map<_, _>>(),
        "ended": s.end.as_ref().map(|e| e.reason.to_string()),
        "program_status": s.end.as_ref().and_then(|e| e.program_status),
        "program": h.program.as_ref().map(|p| json!({ "path": p.path, "args": p.args })),
        "machine": h.machine.description,
        "ram_bytes": h.machine.ram_bytes,
        "cpu_model": h.machine.cpu_model.name,
        "cpu_model_version": h.machine.cpu_model.version,
        "engine": h.engine,
        "counting_rule": h.counting_rule,
        "digest_interval": h.digest_interval,
        "kernel_cmdline": h.machine.kernel_cmdline,
        "images": h.images.iter().map(|i| json!({ "role": role(i.role), "name": i.name, "bytes": i.len, "blake3": text::hex(&i.blake3) })).collect::<Vec<_>>(),
        "wall_clock_start_ns": h.wall_clock_start_ns,
        "command_line": h.command_line,
        "tool_version": h.tool_version,
        "format_version": reader.format_version(),
        "damage": s.damage.as_ref().map(|d| d.to_string()),
    });
    println!("{value:#}");
}
