//! Time: where the machine stands, going elsewhere, marks, inputs.

use super::{Context, Error, parse, usage};
use crate::session::{Destination, Mark, Moments, Position, Seat};
use crate::text;

/// What `when` says of the machine itself.
struct Here {
    moments: Moments,
    cpu: String,
    process: String,
    root: u64,
    rip: u64,
    symbol: Option<String>,
    instruction: String,
}

pub fn here(seat: &mut Seat) -> Result<impl Fn(&mut Context) + use<>, crate::session::Error> {
    let r = seat.registers();
    let ring = if r.is_halted { format!("ring {}, halted", r.cpl) } else { format!("ring {}", r.cpl) };
    let interrupts = if r.rflags & (1 << 9) != 0 { "on" } else { "off" };
    let process = match seat.current() {
        Ok(current) if current.tid == 0 => "none: the kernel idles, or has not come so far".to_owned(),
        Ok(current) if current.tid == current.pid => format!("{} {}", current.pid, current.comm),
        Ok(current) => format!("{} {}, thread {}", current.pid, current.comm, current.tid),
        Err(absent) => format!("not known: {}", absent.why),
    };
    let here = Here {
        process,
        symbol: seat.symbol(r.linear_rip()),
        moments: seat.moments(),
        cpu: format!("{}, {ring}, interrupts {interrupts}", r.mode),
        root: seat.root(),
        rip: r.linear_rip(),
        instruction: seat.next_instruction(),
    };
    Ok(move |context: &mut Context| {
        let m = &here.moments;
        context
            .row("instruction", format!("{} of {} ({:.3} %)", position(m.position), text::moment(m.end), m.percent()));
        let (guest, date) = (format!("{:.6} s", m.guest_ns as f64 / 1e9), text::utc(m.guest_date_ns));
        context.row("guest time", format!("{guest} after power-on, {date} by its clock"));
        context.row("recorded", text::utc(m.recorded_ns));
        context.row("cpu", &here.cpu);
        context.row("process", &here.process);
        context.row("address space", format!("{:#x}", here.root));
        let symbol = here.symbol.as_ref().map_or_else(String::new, |s| format!(" <{s}>"));
        context.row("next", format!("{:#x}{symbol}  {}", here.rip, here.instruction));
    })
}

/// A Position as people read it; deliveries of interrupts and exceptions only where there are some.
pub fn position(at: Position) -> String {
    match at.deliveries {
        0 => text::moment(at.moment),
        1 => format!("{} + 1 delivery", text::moment(at.moment)),
        n => format!("{} + {n} deliveries", text::moment(at.moment)),
    }
}

pub fn when(context: &mut Context, _: &[&str]) -> Result<(), Error> {
    if let Some(trouble) = context.settings.trouble.take() {
        context.row("trouble", trouble);
    }
    let print = context.session.ask(here)?;
    print(context);
    Ok(())
}

pub fn goto(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let [to] = words else { return Err(usage("goto")) };
    let to: Destination = to.parse()?;
    let print = context.session.ask(move |seat| {
        seat.go(&to)?;
        here(seat)
    })?;
    print(context);
    hint(context);
    Ok(())
}

/// gdb does not know that the machine moved.
pub fn hint(context: &mut Context) {
    if !context.settings.refreshes_itself {
        context.line("gdb still shows the place before; type: maint flush register-cache");
    }
}

pub fn mark(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let Some((name, note)) = words.split_first() else { return Err(usage("mark")) };
    let (its_name, note) = ((*name).to_owned(), note.join(" "));
    let at = context.session.ask(move |seat| seat.mark(&its_name, &note))?;
    context.line(format!("{name} is instruction {}", position(at)));
    Ok(())
}

pub fn marks(context: &mut Context, _: &[&str]) -> Result<(), Error> {
    let (marks, now) = context.session.ask(|seat| Ok((seat.marks(), seat.position())))?;
    if marks.is_empty() {
        context.line("no marks; monitor mark NAME makes one here");
    }
    for Mark { name, position: at, note } in marks {
        let here = if at == now { "  <- here" } else { "" };
        context.line(format!("{:>20}  {name}  {note}", position(at)).trim_end().to_owned() + here);
    }
    Ok(())
}

pub fn inputs(context: &mut Context, words: &[&str]) -> Result<(), Error> {
    let count = parse::count(words.first(), "count", 8, 1000)?;
    let (inputs, now) = context.session.ask(move |seat| Ok((seat.inputs(count as usize), seat.position())))?;
    for input in &inputs.before {
        context.line(format!("{:>20}  {:<10}  {}", text::moment(input.at), input.source, input.what));
    }
    context.line(format!("{:>20}  <- here", position(now)));
    for input in &inputs.after {
        context.line(format!("{:>20}  {:<10}  {}", text::moment(input.at), input.source, input.what));
    }
    Ok(())
}
