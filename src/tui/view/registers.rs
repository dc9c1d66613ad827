//! The pane with the registers: what changed is marked, flags and control registers are told by name.

use super::super::model::{Model, Pane};
use super::super::theme::Theme;
use crate::session::Registers;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// The order in which people read them, by their number in the encoding.
const ORDER: [(usize, &str); 16] = [
    (0, "rax"),
    (3, "rbx"),
    (1, "rcx"),
    (2, "rdx"),
    (6, "rsi"),
    (7, "rdi"),
    (5, "rbp"),
    (4, "rsp"),
    (8, "r8"),
    (9, "r9"),
    (10, "r10"),
    (11, "r11"),
    (12, "r12"),
    (13, "r13"),
    (14, "r14"),
    (15, "r15"),
];

/// Bits by name (SDM vol. 1, 3.4.3; vol. 3, 2.5 and 2.2.1).
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
    (17, "PCIDE"),
    (18, "OSXSAVE"),
    (20, "SMEP"),
    (21, "SMAP"),
];
const EFER: &[(u32, &str)] = &[(0, "SCE"), (8, "LME"), (10, "LMA"), (11, "NXE")];

/// A line: a name, a value as text, and whether it has just changed.
struct Entry {
    name: &'static str,
    value: String,
    is_changed: bool,
}

fn bits(value: u64, names: &[(u32, &str)]) -> String {
    let set: Vec<&str> = names.iter().rev().filter(|(bit, _)| value >> bit & 1 != 0).map(|(_, name)| *name).collect();
    set.join(" ")
}

fn entries(now: &Registers, before: Option<&Registers>) -> Vec<Entry> {
    let differs = |read: &dyn Fn(&Registers) -> u64| before.is_some_and(|before| read(before) != read(now));
    let number = |name, read: &dyn Fn(&Registers) -> u64| Entry {
        name,
        value: format!("{:016x}", read(now)),
        is_changed: differs(read),
    };
    let flags = |read: &dyn Fn(&Registers) -> u64, names| Entry {
        name: "",
        value: bits(read(now), names),
        is_changed: differs(read),
    };
    let mut all = vec![number("rip", &|r| r.rip), flags(&|r| r.rflags, RFLAGS)];
    all.extend(ORDER.iter().map(|(i, name)| number(name, &|r| r.general[*i])));
    all.push(Entry { name: "cpl", value: format!("{} {}", now.cpl, now.mode), is_changed: differs(&|r| r.cpl.into()) });
    all.extend([number("cr0", &|r| r.cr0), flags(&|r| r.cr0, CR0)]);
    all.extend([number("cr2", &|r| r.cr2), number("cr3", &|r| r.cr3)]);
    all.extend([number("cr4", &|r| r.cr4), flags(&|r| r.cr4, CR4), number("cr8", &|r| r.cr8)]);
    all.extend([number("efr", &|r| r.efer), flags(&|r| r.efer, EFER)]);
    all.extend([number("fs", &|r| r.segments[4].base), number("gs", &|r| r.segments[5].base)]);
    all.push(number("kgs", &|r| r.kernel_gs_base));
    for (i, name) in ["es", "cs", "ss", "ds"].into_iter().enumerate() {
        all.push(Entry {
            name,
            value: format!("{:04x}", now.segments[i].selector),
            is_changed: differs(&|r| r.segments[i].selector.into()),
        });
    }
    all.extend([number("gdt", &|r| r.gdtr.0), number("idt", &|r| r.idtr.0), number("tr", &|r| r.tr.base)]);
    all
}

fn lines(model: &Model, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let Some(sight) = &model.sight else { return Vec::new() };
    let before = model.before.as_ref().map(|sight| &sight.registers);
    entries(&sight.registers, before).into_iter().flat_map(|entry| line(theme, &entry, width)).collect()
}

/// One line, or as many as the names of the bits need.
fn line(theme: Theme, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let style = if entry.is_changed { theme.changed() } else { Style::new() };
    let sign = if entry.is_changed { "*" } else { " " };
    let mut rows = vec![String::new()];
    for word in entry.value.split(' ') {
        let last = rows.last_mut().expect("there is one from the start");
        if !last.is_empty() && 4 + last.len() + 1 + word.len() > width {
            rows.push(word.to_owned());
        } else if last.is_empty() {
            last.push_str(word);
        } else {
            *last = format!("{last} {word}");
        }
    }
    let mut name = entry.name;
    rows.into_iter()
        .map(|row| {
            let name = std::mem::take(&mut name);
            let sign = if name.is_empty() { " " } else { sign };
            Line::from(vec![Span::styled(format!("{name:<3}{sign}"), theme.faint()), Span::styled(row, style)])
        })
        .collect()
}

/// How many lines there are.
pub fn count(model: &Model) -> usize {
    let width = model.layout().pane(Pane::Registers).map_or(0, |rect| usize::from(rect.width.saturating_sub(1)));
    lines(model, Theme { is_coloured: false }, width).len()
}

/// Title and lines.
pub fn draw(model: &Model, theme: Theme, body: Rect) -> (String, Vec<Line<'static>>) {
    let height = usize::from(body.height);
    let all = lines(model, theme, usize::from(body.width));
    // A pane without a selection scrolls as if its last row were selected.
    let top = model.list(Pane::Registers).top.min(all.len().saturating_sub(height));
    let is_end = top + height >= all.len();
    let title = if is_end { "registers".to_owned() } else { "registers ↓".to_owned() };
    (title, all.into_iter().skip(top).take(height).collect())
}
