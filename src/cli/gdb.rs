//! `reenact gdb`: a server for debuggers on a recording, and gdb itself connected to it.

use super::{Failure, Outcome, Result, progress, text};
use crate::gdb::{Farewell, Notice, Server, Settings};
use crate::session::{Destination, Options, Program, Session, Space};
use anyhow::{Context, anyhow};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Debug a recording with gdb, forwards and backwards.
///
/// On a terminal gdb is started and connected, with the symbols of the program that was recorded. Otherwise, or with
/// --listen, debuggers connect from outside.
#[derive(clap::Args)]
pub struct Gdb {
    /// The recording.
    recording: PathBuf,
    /// Wait for debuggers here: PORT or ADDRESS:PORT. Anybody who reaches another address than this host's own can read
    /// the recording.
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Start here: an instruction number, a percentage, end, exit, or a mark. Default: the first instruction of the recorded
    /// program, or power-on.
    #[arg(long, value_name = "MOMENT", value_parser = destination)]
    at: Option<Destination>,
    /// The debugger to start, or none.
    #[arg(long, value_name = "GDB")]
    exec: Option<OsString>,
}

/// Where debuggers are waited for unless told otherwise.
const PORT: u16 = 1234;

impl Gdb {
    pub fn execute(self) -> Result {
        let debugger = self.debugger()?;
        let session = Session::open(&self.recording, Options::default())?;
        for note in session.ask(|seat| Ok(seat.take_notes()))? {
            eprintln!("reenact: {note}");
        }
        let mut settings = Settings { refreshes_itself: debugger.is_some(), ..Settings::default() };
        let (pass, end) = session.ask(|seat| Ok((seat.first_pass(), seat.end())))?;
        let program = progress::while_indexing(&pass, end, || self.enter(&session, &mut settings))?;
        let address = match (self.listen, &debugger) {
            (Some(address), _) => address,
            (None, Some(_)) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            (None, None) => SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
        };
        let server = Server::bind(address, session, settings)
            .with_context(|| format!("cannot wait for debuggers at {address}; --listen names another address"))?;
        match debugger {
            Some(debugger) => with_debugger(&debugger, server, program.as_ref()),
            None => alone(server, program.as_ref()),
        }
    }

    /// Which debugger to start.
    fn debugger(&self) -> std::result::Result<Option<PathBuf>, Failure> {
        match &self.exec {
            Some(name) if name == "none" => Ok(None),
            Some(name) => match find(name) {
                Some(path) => Ok(Some(path)),
                None => Err(Failure::Usage(anyhow!(
                    "{} is no program that can be started; install gdb, or give --exec none and connect yourself",
                    name.display()
                ))),
            },
            None if self.listen.is_none() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => {
                Ok(find("gdb".as_ref()))
            }
            None => Ok(None),
        }
    }

    /// Goes where the debugging begins; the recorded program, if it is found.
    fn enter(&self, session: &Session, settings: &mut Settings) -> std::result::Result<Option<Program>, Failure> {
        let is_program = session.ask(|seat| Ok(seat.header().program.is_some()))?;
        let program = if is_program { look_for_program(session) } else { None };
        if let Some(program) = &program {
            settings.auxv.clone_from(&program.auxv);
            settings.space = Space::Root(program.root);
        }
        if let Some(to) = self.at.clone() {
            session.ask(move |seat| seat.go(&to)).map_err(|e| Failure::Usage(e.into()))?;
        } else if let Some(program) = &program {
            let start = program.start;
            session.ask(move |seat| seat.go_to(start))?;
        }
        Ok(program)
    }
}

/// Finds the recorded program; says why if it cannot, and goes on without symbols.
fn look_for_program(session: &Session) -> Option<Program> {
    match session.ask(|seat| seat.program()) {
        Ok(program) => Some(program),
        Err(e) => {
            eprintln!("reenact: debugging without the program's symbols: {e}");
            None
        }
    }
}

/// Serves whoever connects, until interrupted.
fn alone(server: Server, program: Option<&Program>) -> Result {
    let address = server.address()?;
    if !address.ip().is_loopback() {
        eprintln!("reenact: whoever reaches {address} can read the whole recording");
    }
    let symbols = program.map_or_else(String::new, |program| format!(" {}", program.path.display()));
    let mut text =
        format!("connect   gdb -ex 'set sysroot /' -ex 'target remote {address}'{symbols}\nend       Ctrl-C\n");
    if let Some(program) = program {
        text = format!("program   {}, in the address space {:#x}\n{text}", program.path.display(), program.root);
    }
    // In one piece: whoever reads this may close the pipe as soon as it has seen where to connect.
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    drop(out);
    server.serve(tell)?;
    Err(anyhow!("the session has ended because of an error in the replay").into())
}

fn tell(notice: Notice) {
    match notice {
        Notice::Connected(from) => eprintln!("reenact: {from} connected"),
        Notice::Gone(Farewell::Confused(why)) => eprintln!("reenact: hung up, because it was not understood: {why}"),
        Notice::Gone(Farewell::Vanished) => eprintln!("reenact: the debugger is gone; another one may connect"),
        Notice::Gone(_) => eprintln!("reenact: the debugger detached; another one may connect"),
        Notice::Refused(from) => eprintln!("reenact: {from} was sent away, because a debugger is connected"),
        Notice::Failed(e) => eprintln!("reenact: a connection failed: {e}"),
    }
}

/// Starts the debugger, connected, and ends with it.
fn with_debugger(debugger: &Path, server: Server, program: Option<&Program>) -> Result {
    let script = Script::write(&commands(&server.address()?.to_string(), program))?;
    let mut command = Command::new(debugger);
    command.arg("-q").arg("-x").arg(&script.path);
    if let Some(program) = program {
        command.arg(&program.path);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the host edge: the server listens while the debugger is waited for"
    )]
    std::thread::spawn(move || server.serve(quietly));
    let child = command.spawn().with_context(|| format!("cannot start {}", debugger.display()))?;
    let status = wait(child)?;
    if status.success() { Ok(Outcome::Done) } else { Err(anyhow!("{} ended with {status}", debugger.display()).into()) }
}

/// The terminal is the debugger's: only what it cannot tell itself is said.
fn quietly(notice: Notice) {
    if let Notice::Gone(Farewell::Confused(why)) = notice {
        eprintln!("reenact: hung up on the debugger, because it was not understood: {why}");
    }
}

/// Ctrl-C on the terminal goes to both; it is meant for the debugger.
fn wait(mut child: Child) -> std::io::Result<std::process::ExitStatus> {
    // SAFETY: sets an action that has no handler; the child was started before and keeps the default one.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    child.wait()
}

/// What gdb is told at its start.
fn commands(address: &str, program: Option<&Program>) -> String {
    let greeting = match program {
        Some(program) => format!(
            "echo breakpoints stop in {} only (address space {:#x}); monitor space any changes that\\n\n",
            program.path.display(),
            program.root
        ),
        None => String::new(),
    };
    format!("{PREPARE}target remote {address}\n{greeting}{GREETING}")
}

/// Caches are forgotten behind every monitor command, since it may have moved the machine; writes are refused by gdb
/// itself, because it has no words for a refusal by the server.
const PREPARE: &str = "\
set confirm off
set sysroot /
set may-write-registers off
set may-write-memory off
define hookpost-monitor
  maint flush register-cache
  maint flush dcache
end
define goto
  monitor goto $arg0
  frame
end
document goto
Go to another time of the recording: goto M|+N|-N|P%|end|exit|MARK
end
";

const GREETING: &str = "\
echo reverse-stepi, reverse-next, reverse-continue go back; goto M|+N|-N|P%|end|exit, monitor help\\n
";

/// A file that gdb reads once; removed in the end.
struct Script {
    path: PathBuf,
}

impl Script {
    fn write(text: &str) -> std::result::Result<Script, Failure> {
        let path = std::env::temp_dir().join(format!("reenact-{}.gdb", std::process::id()));
        // A file of this name is an old one of ours or somebody's trap: neither is written through.
        let _ = std::fs::remove_file(&path);
        let mut file = std::fs::File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Script { path })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A program by path or in PATH.
fn find(name: &std::ffi::OsStr) -> Option<PathBuf> {
    let given = Path::new(name);
    if given.components().count() > 1 {
        return given.is_file().then(|| given.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(given)).find(|candidate| candidate.is_file())
}

fn listen_address(text: &str) -> std::result::Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let why = || "write a port like 1234, or an address of this host with a port like 127.0.0.1:1234".to_owned();
    text.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(why)
}

fn destination(text: &str) -> std::result::Result<Destination, String> {
    text.parse().map_err(|_| text::PLACES.to_owned())
}
