//! The panes that are lists of lines: stack, console, processes, maps, descriptors.

use super::super::backtrace::How;
use super::super::model::{Model, Pane};
use super::super::sight::{Process, Told};
use super::super::theme::Theme;
use super::{printable, row_style};
use crate::guest::{Connection, Descriptor, Kind, Socket};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Title and lines.
pub fn draw(model: &Model, theme: Theme, pane: Pane, body: Rect) -> (String, Vec<Line<'static>>) {
    let title = title(model, pane);
    if let Some(why) = absent(model, pane) {
        return (title, vec![Line::styled(why, theme.faint())]);
    }
    let list = model.list(pane);
    let rows = list.top..(list.top + usize::from(body.height)).min(model.len(pane));
    let lines = rows.map(|row| {
        let text = format!("{:<width$}", list_line(model, pane, row), width = usize::from(body.width));
        Line::from(Span::raw(text)).style(row_style(model, theme, pane, row == list.cursor))
    });
    (title, lines.collect())
}

fn title(model: &Model, pane: Pane) -> String {
    let whose = match model.pid {
        Some(pid) => format!("of process {pid}"),
        None => model.sight.as_ref().and_then(|s| s.current.as_ref().ok()).map_or_else(
            || "of the process that runs".to_owned(),
            |current| format!("of {} {}", printable(&current.comm), current.pid),
        ),
    };
    match pane {
        Pane::Stack => match model.sight.as_ref().map(|sight| sight.backtrace.how) {
            Some(How::FramePointers) => "stack  backtrace by frame pointers".to_owned(),
            _ => "stack  backtrace guessed from return addresses".to_owned(),
        },
        Pane::Maps => format!("map {whose}"),
        Pane::Descriptors => format!("files {whose}"),
        Pane::Console => "console as it stood".to_owned(),
        pane => pane.name().to_owned(),
    }
}

/// Why there is nothing to list.
fn absent(model: &Model, pane: Pane) -> Option<String> {
    fn why<T>(told: &Option<Told<T>>) -> Option<String> {
        told.as_ref()?.as_ref().err().cloned()
    }
    let sight = model.sight.as_ref()?;
    match pane {
        Pane::Processes => why(&sight.processes),
        Pane::Maps => why(&sight.maps),
        Pane::Descriptors => why(&sight.descriptors),
        _ => None,
    }
}

/// A row as text.
pub fn list_line(model: &Model, pane: Pane, row: usize) -> String {
    let text = match pane {
        Pane::Console => Some(model.console.line(row, model.now())),
        Pane::Stack => stack(model, row),
        Pane::Processes => listed(model, row, |sight| &sight.processes, process),
        Pane::Maps => listed(model, row, |sight| &sight.maps, ToString::to_string),
        Pane::Descriptors => listed(model, row, |sight| &sight.descriptors, descriptor),
        _ => None,
    };
    printable(&text.unwrap_or_default())
}

fn listed<T>(
    model: &Model,
    row: usize,
    of: impl Fn(&super::super::sight::Sight) -> &Option<Told<Vec<T>>>,
    text: impl Fn(&T) -> String,
) -> Option<String> {
    of(model.sight.as_ref()?).as_ref()?.as_ref().ok()?.get(row).map(text)
}

fn stack(model: &Model, row: usize) -> Option<String> {
    let sight = model.sight.as_ref()?;
    if let Some(frame) = sight.backtrace.frames.get(row) {
        let name = frame.name.as_deref().unwrap_or("");
        return Some(format!("#{row:<2} {:016x} {name}", frame.address));
    }
    let word = sight.stack.get(row - sight.backtrace.frames.len())?;
    let value = word.value.map_or_else(|| "not mapped".to_owned(), |value| format!("{value:016x}"));
    let offset = word.address.wrapping_sub(sight.registers.general[4]);
    Some(format!("rsp+{offset:<4x} {value} {}", word.name.as_deref().unwrap_or("")))
}

fn process(process: &Process) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    format!(
        "{}{:>6} {} {:>5} {:>3}  {}{}",
        if process.is_current { ">" } else { " " },
        process.pid,
        process.state,
        number(process.uid.map(u64::from)),
        number(process.threads.map(|n| n as u64)),
        "  ".repeat(process.depth),
        process.what,
    )
}

fn descriptor(d: &Descriptor) -> String {
    let access = match d.flags & 3 {
        0 => "r ",
        1 => " w",
        _ => "rw",
    };
    let kind = match &d.kind {
        Kind::Regular => "file".to_owned(),
        Kind::Directory => "folder".to_owned(),
        Kind::Character { major, minor } => format!("char {major}:{minor}"),
        Kind::Block { major, minor } => format!("block {major}:{minor}"),
        Kind::Pipe => "pipe".to_owned(),
        Kind::Link => "link".to_owned(),
        Kind::Socket(_) => "socket".to_owned(),
        Kind::Anonymous => "other".to_owned(),
    };
    let path = match (&d.kind, &d.path) {
        (Kind::Socket(Ok(socket)), _) => self::socket(socket),
        (_, Ok(path)) => path.clone(),
        (_, Err(why)) => why.to_string(),
    };
    format!("{:>4} {access} {kind:<10} {:>10}  {path}", d.number, d.position)
}

fn socket(socket: &Socket) -> String {
    match socket {
        Socket::Internet { protocol, local, remote, state, .. } => {
            let protocol = match protocol {
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                other => format!("protocol {other}"),
            };
            match (remote.port(), state) {
                (0, Connection::Listen) => format!("{protocol} {local} listens"),
                (0, _) => format!("{protocol} {local}"),
                _ => format!("{protocol} {local} - {remote} {state:?}"),
            }
        }
        Socket::Unix { name, peer_name, has_peer, .. } => {
            let name = name.as_deref().unwrap_or("no name");
            match (has_peer, peer_name) {
                (true, Some(peer)) => format!("unix {name} - {peer}"),
                (true, None) => format!("unix {name} - connected"),
                (false, _) => format!("unix {name}"),
            }
        }
        Socket::Netlink { protocol, port } => format!("netlink {protocol} port {port}"),
        Socket::Other { family } => format!("family {family}"),
    }
}
