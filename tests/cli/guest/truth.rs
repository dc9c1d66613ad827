//! The comparisons, one for each kind of fact.

use super::facts::Facts;
use crate::command::run;
use reenact::guest::{Connection, Descriptor, Kind, Located, Root, Socket, SocketType, Task, View};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

pub fn check(facts: &Facts, view: &View, has_isolation: bool) {
    check_symbols(facts, view);
    check_modules(facts, view);
    check_current(view, has_isolation);
    let tasks: BTreeMap<u32, Task> =
        view.processes().expect("there are processes").into_iter().map(|t| (t.pid().expect("a number"), t)).collect();
    check_which(facts, &tasks);
    let mut sockets = BTreeMap::new();
    for (&pid, &task) in tasks.iter().filter(|(pid, _)| facts.get(&format!("/proc/{pid}/stat")).is_some()) {
        check_process(facts, pid, task);
        if has_program(facts, pid) {
            check_program(facts, pid, task, has_isolation);
            check_descriptors(facts, pid, task, &mut sockets);
        }
    }
    check_internet(facts, "/proc/net/tcp", &sockets, 3);
    check_internet(facts, "/proc/net/udp6", &sockets, 1);
    check_unix(facts, &sockets);
    check_speed(view);
}

/// The samples of /proc/kallsyms, and all of the module.
fn check_symbols(facts: &Facts, view: &View) {
    let modules = view.modules().expect("there is a list");
    let of_modules: BTreeSet<(u64, u8, String)> = modules
        .iter()
        .flat_map(|m| m.symbols().expect("modules have symbols"))
        .map(|s| (s.address, s.kind, s.name))
        .collect();
    let mut printed = BTreeSet::new();
    let mut samples = 0;
    for words in facts.lines("/proc/kallsyms") {
        let (address, kind, name) = (hex(words[0]), words[1].as_bytes()[0], words[2]);
        if words.get(3) == Some(&"[dummy]") {
            printed.insert((address, kind, name.to_owned()));
        } else if words.len() == 3 {
            samples += 1;
            let symbols = view.profile.symbols.named(name);
            let found = symbols.filter(|s| s.address == address && s.kind == kind).count();
            assert!(found > 0, "{words:?}");
        }
    }
    assert!(samples > 200, "{samples} symbols");
    assert!(printed.len() > 10, "{printed:?}");
    assert_eq!(printed, of_modules);
    let all = view.all_symbols();
    for (address, _, name) in &printed {
        let at: Vec<u64> = all.named(name).map(|s| s.address).collect();
        assert!(at.contains(address), "{name}");
    }
    assert!(view.symbol(0).is_none() && view.symbol(u64::MAX).is_none());
    let text = view.profile.address("_text").expect("it starts with it");
    assert_eq!(view.symbol(text).map(|l| l.offset), Some(0));
    let Located { name, offset, .. } = view.symbol(view.vcpu.lstar + 1).expect("it is in the kernel");
    assert_eq!((name, offset), ("entry_SYSCALL_64", 1));
    let release = view.vmcoreinfo_value("OSRELEASE").expect("there is a note").expect("it names the release");
    let own = facts.text("/proc/version").split_whitespace().nth(2).expect("the version is the third word");
    assert_eq!(release, own);
}

fn check_modules(facts: &Facts, view: &View) {
    let found: Vec<(String, u64, u64)> = view
        .modules()
        .expect("there is a list")
        .into_iter()
        .map(|m| (m.name, m.bytes, m.parts.first().expect("it has a part").start))
        .collect();
    let printed: Vec<(String, u64, u64)> = facts
        .lines("/proc/modules")
        .map(|w| (w[0].to_owned(), w[1].parse().expect("a size"), hex(w[5].trim_start_matches("0x"))))
        .collect();
    assert_eq!(found, printed);
}

/// The recording ends in user mode of process 1.
fn check_current(view: &View, has_isolation: bool) {
    let current = view.current().expect("something runs");
    assert_eq!((current.tid, current.pid, current.comm.as_str(), view.vcpu.cpl), (1, 1, "facts", 3));
    let memory = view.current_task().and_then(Task::memory).expect("it is a program");
    let user = memory.user_root().expect("it has a page table");
    assert_eq!(user.is_some(), has_isolation);
    assert_eq!(Root::of_cr3(view.vcpu.cr3), user.unwrap_or(memory.root().expect("it has a page table")));
    let (mut through_cr3, mut through_kernel) = ([0; 16], [0; 16]);
    view.space().read(view.vcpu.rip, &mut through_cr3).expect("it executes there");
    memory.space().and_then(|s| s.read(view.vcpu.rip, &mut through_kernel)).expect("it executes there");
    assert_eq!(through_cr3, through_kernel);
}

fn has_program(facts: &Facts, pid: u32) -> bool {
    facts.get(&format!("/proc/{pid}/exe")).is_some()
}

/// All of the processes; of kernel threads, workers come and go.
fn check_which(facts: &Facts, tasks: &BTreeMap<u32, Task>) {
    let printed = facts.numbers("/proc/");
    let lasting = |comm: &str| !comm.starts_with("kworker");
    let found: BTreeSet<u32> =
        tasks.iter().filter(|(_, t)| lasting(&t.comm().expect("a name"))).map(|(pid, _)| *pid).collect();
    let printed: BTreeSet<u32> = printed.into_iter().filter(|pid| lasting(facts.status(*pid, "Name")[0])).collect();
    assert_eq!(found, printed);
    assert!(printed.iter().filter(|pid| has_program(facts, **pid)).count() >= 8);
}

fn check_process(facts: &Facts, pid: u32, task: Task) {
    let status = |key| facts.numbers_of(pid, key);
    let name = facts.text(&format!("/proc/{pid}/status")).lines().next().expect("a first line");
    let comm = task.comm().expect("a name");
    assert!(is_name(task, &comm, name.strip_prefix("Name:\t").expect("the name")), "{name} {comm}");
    assert_eq!(status("Pid"), [task.tid().expect("a number")]);
    assert_eq!(status("Tgid"), [task.pid().expect("a number")]);
    assert_eq!(status("PPid"), [task.parent().and_then(Task::pid).expect("a number")]);
    let state = task.state().expect("a state").letter();
    // Kernel threads may have woken since.
    if task.memory().is_ok() {
        assert_eq!(facts.status(pid, "State")[0], state.to_string(), "process {pid}");
    }
    let c = task.credentials().expect("credentials");
    assert_eq!(status("Uid"), [c.uid, c.euid, c.suid, c.fsuid]);
    assert_eq!(status("Gid"), [c.gid, c.egid, c.sgid, c.fsgid]);
    assert_eq!(hex(facts.status(pid, "CapEff")[0]), c.capabilities);
    let threads = task.threads().expect("threads");
    assert_eq!(status("Threads"), [threads.len() as u32]);
    for thread in &threads {
        let (tid, comm) = (thread.tid().expect("a number"), thread.comm().expect("a name"));
        let printed = facts.text(&format!("/proc/{pid}/task/{tid}/comm"));
        assert!(is_name(task, &comm, printed), "{printed} {comm}");
        assert_eq!(thread.leader().map(Task::address), Ok(task.address()));
    }
    let stat = facts.text(&format!("/proc/{pid}/stat"));
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    // Field 22 of proc(5), in hundredths of a second.
    assert_eq!(fields[19], (task.started_ns().expect("a time") / 10_000_000).to_string());
}

/// Of kernel threads, /proc has a longer name, and adds what a worker works on.
fn is_name(task: Task, comm: &str, printed: &str) -> bool {
    let is_worker = comm.starts_with("kworker");
    printed == comm || task.is_kernel_thread() == Ok(true) && (printed.starts_with(comm) || is_worker)
}

/// What only processes with a program have.
fn check_program(facts: &Facts, pid: u32, task: Task, has_isolation: bool) {
    let proc = |file: &str| facts.text(&format!("/proc/{pid}/{file}"));
    let memory = task.memory().expect("a program has memory");
    let joined = |strings: Vec<String>| strings.into_iter().map(|s| s + "|").collect::<String>();
    assert_eq!(joined(memory.argv().expect("arguments")), proc("cmdline"));
    assert_eq!(joined(memory.environment().expect("environment")), proc("environ"));
    assert_eq!(memory.exe().expect("a file"), proc("exe"));
    assert_eq!(task.cwd().expect("a directory"), proc("cwd"));
    assert_eq!(task.root().expect("a directory"), proc("root"));
    let map: Vec<String> = memory.map().expect("a map").iter().map(ToString::to_string).collect();
    let printed: Vec<&str> = proc("maps").lines().collect();
    assert_eq!(map, printed, "process {pid}");
    assert_eq!(memory.user_root().expect("a page table").is_some(), has_isolation);
}

fn check_descriptors(facts: &Facts, pid: u32, task: Task, sockets: &mut BTreeMap<u64, Socket>) {
    let descriptors = task.descriptors().expect("descriptors");
    let mut printed = facts.numbers(&format!("/proc/{pid}/fd/"));
    // Folders that the guest had open while it printed.
    printed.retain(|n| !facts.text(&format!("/proc/{pid}/fd/{n}")).starts_with("/proc"));
    assert_eq!(descriptors.iter().map(|d| d.number).collect::<BTreeSet<_>>(), printed, "process {pid}");
    for d in descriptors {
        let n = d.number;
        assert_eq!(d.path.as_deref(), Ok(facts.text(&format!("/proc/{pid}/fd/{n}"))));
        check_descriptor(facts.text(&format!("/proc/{pid}/fdinfo/{n}")), &d);
        match &d.kind {
            Kind::Socket(socket) => _ = sockets.insert(d.inode, socket.clone().expect("a socket")),
            Kind::Pipe => assert!(d.path.as_ref().is_ok_and(|p| p.starts_with("pipe:[") || p == "/work/fifo")),
            Kind::Directory => assert_eq!(d.path.as_deref(), Ok("/work")),
            Kind::Character { major, minor } => {
                let device = d.path.as_deref().expect("a path");
                assert_eq!((*major, *minor), if device == "/dev/null" { (1, 3) } else { (5, 1) }, "{device}");
            }
            Kind::Anonymous => assert!(d.path.as_ref().is_ok_and(|p| p.starts_with("anon_inode:["))),
            Kind::Regular => assert!(d.path.as_ref().is_ok_and(|p| !p.contains("socket") && !p.contains("pipe:"))),
            Kind::Block { .. } | Kind::Link => panic!("the guest has no such thing open"),
        }
    }
}

/// Position, flags and number. Close-on-exec belongs to the descriptor, not to the file.
fn check_descriptor(info: &str, d: &Descriptor) {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let field = |key: &str| info.lines().find_map(|l| l.strip_prefix(key)).expect("a field").trim();
    // The console's position counts what was printed after it was told.
    if !matches!(d.kind, Kind::Character { .. }) {
        assert_eq!(field("pos:"), d.position.to_string(), "{d:?}");
    }
    let flags = u32::from_str_radix(field("flags:"), 8).expect("an octal number");
    assert_eq!(flags & !CLOSE_ON_EXEC, d.flags & !CLOSE_ON_EXEC, "{d:?}");
    assert_eq!(field("ino:"), d.inode.to_string());
}

/// Lines `N: LOCAL REMOTE STATE ... INODE` in hexadecimal. Some have no descriptor any more.
fn check_internet(facts: &Facts, name: &str, sockets: &BTreeMap<u64, Socket>, at_least: usize) {
    let mut compared = 0;
    for words in facts.lines(name).skip(1) {
        let Some(found) = sockets.get(&words[9].parse().expect("a number")) else { continue };
        let Socket::Internet { kind, protocol, local, remote, state } = found else { panic!("{words:?} is {found:?}") };
        assert_eq!((*local, *remote), (address(words[1]), address(words[2])));
        let is_tcp = name.ends_with("tcp");
        let expected = if is_tcp { (SocketType::Stream, 6) } else { (SocketType::Datagram, 17) };
        assert_eq!((*kind, *protocol), expected);
        let told = match words[3] {
            "01" => Connection::Established,
            "07" => Connection::Closed,
            "0A" => Connection::Listen,
            other => panic!("the guest makes no socket in state {other}"),
        };
        assert_eq!(*state, told);
        compared += 1;
    }
    assert!(compared >= at_least, "{compared} sockets of {name}");
}

/// Addresses are printed as 32-bit words of the host's order.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').expect("address and port");
    let words = ip.as_bytes().chunks(8).map(|w| hex(std::str::from_utf8(w).expect("hexadecimal")) as u32);
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => IpAddr::from(v4),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).expect("16 bytes")),
    };
    SocketAddr::new(ip, hex(port) as u16)
}

/// Lines `Num RefCount Protocol Flags Type St Inode [Path]`.
fn check_unix(facts: &Facts, sockets: &BTreeMap<u64, Socket>) {
    let mut names = Vec::new();
    for words in facts.lines("/proc/net/unix").skip(1) {
        let Some(found) = sockets.get(&words[6].parse().expect("a number")) else { continue };
        let Socket::Unix { kind, name, has_peer, .. } = found else { panic!("{words:?} is {found:?}") };
        assert_eq!(name.as_deref(), words.get(7).copied());
        let told = match words[4] {
            "0001" => SocketType::Stream,
            "0002" => SocketType::Datagram,
            "0005" => SocketType::SequencedPacket,
            other => panic!("the guest makes no socket of type {other}"),
        };
        assert_eq!(*kind, told);
        // SS_CONNECTED of include/uapi/linux/net.h.
        assert_eq!(*has_peer, words[5] == "03", "{words:?}");
        names.push(name.clone());
    }
    assert!(names.len() >= 6, "{names:?}");
    assert!(names.contains(&Some("@hidden".to_owned())) && names.contains(&Some("/work/sock".to_owned())));
    let connected = sockets.values().filter(|s| matches!(s, Socket::Unix { peer_name: Some(n), .. } if n == "@hidden"));
    assert_eq!(connected.count(), 1);
    let netlink = sockets.values().filter(|s| **s == Socket::Netlink { protocol: 0, port: 77 });
    assert_eq!(netlink.count(), 1);
}

/// Asked all the time, so they must be cheap; the bound is a hundred times what they take.
fn check_speed(view: &View) {
    const TIMES: u32 = 2000;
    let start = std::time::Instant::now();
    for i in 0..TIMES {
        assert!(view.current().is_ok());
        assert!(view.symbol(view.vcpu.lstar + u64::from(i)).is_some());
    }
    let each = start.elapsed() / TIMES;
    assert!(each < std::time::Duration::from_micros(200), "{each:?}");
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text:?} is not hexadecimal"))
}

/// The verb: both forms list the guest's processes, and parents come before their children.
pub fn check_ps(facts: &Facts, recording: &Path) {
    let ps = |more: &[&str]| {
        let arguments = [OsStr::new("ps"), recording.as_os_str()].into_iter().chain(more.iter().map(OsStr::new));
        run(arguments).succeeded()
    };
    let listed: serde_json::Value = serde_json::from_slice(&ps(&["--json"]).out).expect("JSON");
    let rows = listed["processes"].as_array().expect("a list");
    let row = |comm: &str| rows.iter().find(|row| row["comm"] == comm).unwrap_or_else(|| panic!("no {comm}"));
    let place = |comm: &str| rows.iter().position(|row| row["comm"] == comm);
    assert!(place("facts") < place("grandparent") && place("grandparent") < place("grandchild"));
    assert_eq!(row("grandchild")["depth"], 2);
    assert_eq!(row("grandchild")["ppid"], row("grandparent")["pid"]);
    assert_eq!(row("facts")["args"], serde_json::json!(["facts", "--opt", "two words", ""]));
    assert_eq!((&row("worker")["threads"], &row("worker")["uid"]), (&4.into(), &1000.into()));
    assert_eq!((&row("stopped")["state"], &row("busybox")["exe"]), (&"T".into(), &"/bin/busybox".into()));
    let kernel = row("kthreadd");
    assert_eq!((&kernel["is_kernel_thread"], &kernel["exe"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(kernel["absent"]["exe"], "memory: a kernel thread has none");
    let text = ps(&[]).text();
    assert!(facts.numbers("/proc/").len() <= text.lines().count());
    let line = text.lines().find(|l| l.contains("grandchild")).expect("it is listed");
    assert!(line.ends_with("    grandchild           /bin/facts           facts --opt 'two words' ''"), "{line}");
}
