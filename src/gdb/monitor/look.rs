//! What gdb cannot show: system registers, translations, physical memory, and whether the recording is sound.

use super::{Context, Error, parse, usage};
use crate::session::{Memory, Registers, Segment};
use crate::text;

/// Bytes of `phys` when no length is given.
const DEFAULT_BYTES: u64 = 64;
/// The most that are shown at once.
const MOST_BYTES: u64 = 4096;

pub fn regs(context: &mut Context, _: &[&str]) -> Result<(), Error> {
    let r = context.session.ask(|seat| Ok(seat.registers()))?;
    control(context, &r);
    segments(context, &r);
    context.line("");
    for msr in &r.msrs {
        context.line(format!("{:<20} {:>#12x}  {:#018x}", msr.name, msr.number, msr.value));
    }
    Ok(())
}

fn control(context: &mut Context, r: &Registers) {
    let set = |value: u64, names: &[(u32, &str)]| {
        names.iter().filter(|(bit, _)| value >> bit & 1 != 0).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
    };
    let row = |context: &mut Context, name: &str, value: u64, note: String| {
        context.line(format!("{name:<6} {value:#018x}  {note}").trim_end());
    };
    row(context, "cs:rip", r.rip, format!("cs {:#06x}, {}, ring {}", r.segments[1].selector, r.mode, r.cpl));
    row(context, "rflags", r.rflags, set(r.rflags, RFLAGS));
    row(context, "cr0", r.cr0, set(r.cr0, CR0));
    row(context, "cr2", r.cr2, "address of the last page fault".into());
    row(context, "cr3", r.cr3, "page tables".into());
    row(context, "cr4", r.cr4, set(r.cr4, CR4));
    row(context, "cr8", r.cr8, "task priority".into());
    row(context, "efer", r.efer, set(r.efer, EFER));
    for (name, value) in ["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"].into_iter().zip(r.debug) {
        row(context, name, value, String::new());
    }
    context.line("");
}

fn segments(context: &mut Context, r: &Registers) {
    context.line("segment  selector  base                limit       attributes");
    let named = ["es", "cs", "ss", "ds", "fs", "gs"].into_iter().zip(&r.segments);
    for (name, s) in named.chain([("ldtr", &r.ldtr), ("tr", &r.tr)]) {
        context.line(format!("{name:<8} {:#06x}    {:#018x}  {:#010x}  {}", s.selector, s.base, s.limit, kind(s)));
    }
    for (name, (base, limit)) in [("gdtr", r.gdtr), ("idtr", r.idtr)] {
        context.line(format!("{name:<8}           {base:#018x}  {limit:#010x}"));
    }
}

fn kind(s: &Segment) -> String {
    use crate::session::attr;
    if s.attr & attr::P == 0 {
        return "unusable".into();
    }
    let what = match (s.attr & attr::S != 0, s.kind() & 8 != 0) {
        (false, _) => "system",
        (true, true) => "code",
        (true, false) => "data",
    };
    let bits = match (s.attr & attr::L != 0, s.attr & attr::DB != 0) {
        (true, _) => 64,
        (false, true) => 32,
        (false, false) => 16,
    };
    format!("{what}, {bits}-bit, dpl {}", s.dpl())
}

pub fn translate(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let [text] = words else { return Err(usage("translate")) };
    let address = parse::address(context, text)?;
    let (gpa, root) = context.session.ask(move |seat| Ok((seat.translate(Memory::Current, address), seat.root())))?;
    match gpa {
        Some(gpa) => context.line(format!("{address:#x} is at physical {gpa:#x} in the address space {root:#x}")),
        None => context.line(format!("{address:#x} is not mapped in the address space {root:#x}")),
    }
    Ok(())
}

pub fn phys(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let (text, len) = match words {
        [text] => (text, None),
        [text, len] => (text, Some(len)),
        _ => return Err(usage("phys")),
    };
    let address = parse::address(context, text)?;
    let len = parse::count(len, "length", DEFAULT_BYTES, MOST_BYTES)?;
    let bytes = context.session.ask(move |seat| seat.read(Memory::Physical, address, len as usize))?;
    for (i, row) in bytes.chunks(16).enumerate() {
        let hex: Vec<_> = row.iter().map(|b| format!("{b:02x}")).collect();
        let shown: String = row.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '.' }).collect();
        context.line(format!("{:#014x}  {:<47}  {shown}", address + 16 * i as u64, hex.join(" ")));
    }
    if (bytes.len() as u64) < len {
        context.line(format!("there is no RAM at {:#x}", address + bytes.len() as u64));
    }
    Ok(())
}

pub fn verify(context: &mut Context, _: &[&str]) -> Result<(), Error> {
    let path = context.session.ask(|seat| Ok(seat.path().display().to_string()))?;
    context.line("replaying from power-on ...");
    let report = context.session.ask(|seat| seat.verify(&mut |_| {}))?;
    match (&report.difference, &report.damage) {
        (Some(_), _) => context.line(format!(
            "DIVERGED: equal up to instruction {}; reenact verify {path} tells more",
            text::moment(report.proven)
        )),
        (None, Some(damage)) => context.line(format!(
            "bit-exact up to instruction {}, where the file is damaged: {damage}",
            text::moment(report.proven)
        )),
        (None, None) => context.line(format!("bit-exact up to instruction {}", text::moment(report.proven))),
    }
    Ok(())
}

const RFLAGS: &[(u32, &str)] = &[
    (0, "CF"),
    (2, "PF"),
    (4, "AF"),
    (6, "ZF"),
    (7, "SF"),
    (8, "TF"),
    (9, "IF"),
    (10, "DF"),
    (11, "OF"),
    (14, "NT"),
    (16, "RF"),
    (17, "VM"),
    (18, "AC"),
    (21, "ID"),
];
const CR0: &[(u32, &str)] = &[
    (0, "PE"),
    (1, "MP"),
    (2, "EM"),
    (3, "TS"),
    (4, "ET"),
    (5, "NE"),
    (16, "WP"),
    (18, "AM"),
    (29, "NW"),
    (30, "CD"),
    (31, "PG"),
];
const CR4: &[(u32, &str)] = &[
    (0, "VME"),
    (1, "PVI"),
    (2, "TSD"),
    (3, "DE"),
    (4, "PSE"),
    (5, "PAE"),
    (6, "MCE"),
    (7, "PGE"),
    (8, "PCE"),
    (9, "OSFXSR"),
    (10, "OSXMMEXCPT"),
    (11, "UMIP"),
    (16, "FSGSBASE"),
    (20, "SMEP"),
    (21, "SMAP"),
];
const EFER: &[(u32, &str)] = &[(0, "SCE"), (8, "LME"), (10, "LMA"), (11, "NXE")];
