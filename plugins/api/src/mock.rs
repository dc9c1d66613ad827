//! A scene and a run made by hand, to test a plugin with neither a machine nor a recording.

use crate::{
    ArgumentError, Arguments, Comm, Descriptor, Event, File, Mapping, Plugin, Process, Registers, Rows, Runnable,
    Scene, SyscallFrame, Task, TaskKey, Value,
};
use std::collections::BTreeMap;

/// A scene that says what its fields say. The default one knows nothing.
#[derive(Clone, Debug, Default)]
pub struct MockScene {
    /// [`Scene::moment`].
    pub moment: u64,
    /// [`Scene::time_ns`].
    pub time_ns: u64,
    /// [`Scene::registers`].
    pub registers: Registers,
    /// The thread that runs.
    pub task: Option<Task>,
    /// All threads.
    pub tasks: Vec<Task>,
    /// By the address of the `task_struct`.
    pub processes: BTreeMap<u64, Process>,
    /// By `task_struct` and descriptor.
    pub files: BTreeMap<(u64, Descriptor), File>,
    /// By `task_struct`.
    pub mappings: BTreeMap<u64, Vec<Mapping>>,
    /// By `task_struct`.
    pub frames: BTreeMap<u64, SyscallFrame>,
    /// Linear memory: pieces by their address.
    pub memory: BTreeMap<u64, Vec<u8>>,
    /// Physical memory: pieces by their address.
    pub physical: BTreeMap<u64, Vec<u8>>,
    /// Symbols by address.
    pub symbols: BTreeMap<u64, String>,
    /// Names of system calls by number.
    pub syscalls: BTreeMap<u32, String>,
    /// Why there is no Linux.
    pub no_linux: Option<String>,
}

impl MockScene {
    /// A scene at a Moment; its time is ten times that.
    pub fn at(moment: u64) -> MockScene {
        MockScene { moment, time_ns: moment * 10, ..MockScene::default() }
    }
    /// With this thread running.
    pub fn running(mut self, task: Task) -> MockScene {
        self.task = Some(task);
        self.tasks.push(task);
        self
    }
}

/// A thread with `task_struct` at `at`; the only one of its process.
pub fn task(at: u64, pid: u32, comm: &str) -> Task {
    let mut name = [0; 16];
    name.iter_mut().zip(comm.bytes().take(15)).for_each(|(to, from)| *to = from);
    Task { key: TaskKey { at, tid: pid, start_ns: 0 }, pid, comm: Comm(name) }
}

fn read(pieces: &BTreeMap<u64, Vec<u8>>, at: u64, into: &mut [u8]) -> usize {
    let Some((from, piece)) = pieces.range(..=at).next_back() else { return 0 };
    let rest = usize::try_from(at - from).ok().and_then(|skip| piece.get(skip..)).unwrap_or_default();
    let count = rest.len().min(into.len());
    into[..count].copy_from_slice(&rest[..count]);
    count
}

impl Scene for MockScene {
    fn moment(&self) -> u64 {
        self.moment
    }
    fn time_ns(&self) -> u64 {
        self.time_ns
    }
    fn registers(&self) -> Registers {
        self.registers
    }
    fn task(&self) -> Option<Task> {
        self.task
    }
    fn task_at(&self, task: u64) -> Option<Task> {
        self.tasks.iter().find(|t| t.key.at == task).copied()
    }
    fn tasks(&self) -> Vec<Task> {
        self.tasks.clone()
    }
    fn process(&self, task: u64) -> Option<Process> {
        self.processes.get(&task).cloned()
    }
    fn file(&self, task: u64, descriptor: Descriptor) -> Option<File> {
        self.files.get(&(task, descriptor)).cloned()
    }
    fn descriptors(&self, task: u64) -> Option<Vec<(Descriptor, File)>> {
        Some(self.files.iter().filter(|(key, _)| key.0 == task).map(|(key, file)| (key.1, file.clone())).collect())
    }
    fn mapping(&self, task: u64, address: u64) -> Option<Mapping> {
        self.mappings.get(&task)?.iter().find(|m| (m.from..m.to).contains(&address)).cloned()
    }
    fn syscall_frame(&self, task: u64) -> Option<SyscallFrame> {
        self.frames.get(&task).copied()
    }
    fn read(&self, linear: u64, into: &mut [u8]) -> usize {
        read(&self.memory, linear, into)
    }
    fn read_physical(&self, physical: u64, into: &mut [u8]) -> usize {
        read(&self.physical, physical, into)
    }
    fn symbol(&self, address: u64) -> Option<(&str, u64)> {
        self.symbols.range(..=address).next_back().map(|(at, name)| (name.as_str(), address - at))
    }
    fn address_of(&self, symbol: &str) -> Option<u64> {
        self.symbols.iter().find(|(_, name)| *name == symbol).map(|(at, _)| *at)
    }
    fn syscall_name(&self, number: u32) -> Option<&str> {
        self.syscalls.get(&number).map(String::as_str)
    }
    fn no_linux(&self) -> Option<String> {
        self.no_linux.clone()
    }
}

/// Rows as text, one list a table.
pub type Tables = Vec<Vec<String>>;

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::U(v) => v.to_string(),
        Value::I(v) => v.to_string(),
        Value::Bool(v) => v.to_string(),
        Value::Text(v) => format!("{v:?}"),
    }
}

/// The plugin's tables from a history of events, cut behind each of `cuts` (numbers of events), in the order of Moments.
///
/// # Panics
/// On arguments that the plugin refuses, and rows that do not have as many values as their table has columns.
pub fn tables(plugin: &dyn Plugin, words: &[&str], history: &[(MockScene, Event<'_>)], cuts: &[usize]) -> Tables {
    let analysis = prepare(plugin, words).expect("the arguments are right");
    let mut ends = cuts.to_vec();
    ends.push(history.len());
    let mut rows = Checked { plugin, rows: Vec::new() };
    let mut all = Vec::new();
    let mut from = 0usize;
    let last = MockScene { moment: u64::MAX, ..MockScene::default() };
    for end in ends {
        // A slice begins where the one before it ended.
        let first = history.get(from.saturating_sub(1)).map_or(&last, |(scene, _)| scene);
        let mut slice = analysis.begin(first);
        for (scene, event) in &history[from..end] {
            slice.see(event, scene, &mut rows);
        }
        all.push(slice.finish(history.get(end).map_or(&last, |(scene, _)| scene), &mut rows));
        from = end;
    }
    let mut join = analysis.start();
    all.into_iter().for_each(|notes| join.join(notes, &mut rows));
    join.end(history.last().map_or(0, |(scene, _)| scene.moment), &mut rows);
    rows.tables()
}

/// What a plugin makes of its arguments.
///
/// # Errors
/// The sentence about the argument that will not do.
pub fn prepare(plugin: &dyn Plugin, words: &[&str]) -> Result<Box<dyn Runnable>, ArgumentError> {
    let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
    plugin.prepare(&Arguments::parse(&words, plugin.about().arguments)?)
}

struct Checked<'a> {
    plugin: &'a dyn Plugin,
    rows: Vec<(u64, usize, String)>,
}

impl Rows for Checked<'_> {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        let about = self.plugin.about().tables[table];
        assert_eq!(row.len(), about.columns.len(), "values in a row of {}", about.name);
        let Value::U(moment) = row[0] else { panic!("the first value of a row of {} is {:?}", about.name, row[0]) };
        self.rows.push((moment, table, row.iter().map(shown).collect::<Vec<_>>().join(" | ")));
    }
}

impl Checked<'_> {
    fn tables(mut self) -> Tables {
        self.rows.sort_by_key(|row| row.0);
        let mut tables = vec![Vec::new(); self.plugin.about().tables.len()];
        self.rows.into_iter().for_each(|(_, table, row)| tables[table].push(row));
        tables
    }
}

/// Asserts that a history gives the same tables wherever it is cut, and returns them.
///
/// # Panics
/// When it does not.
pub fn tables_however_cut(plugin: &dyn Plugin, words: &[&str], history: &[(MockScene, Event<'_>)]) -> Tables {
    let whole = tables(plugin, words, history, &[]);
    for cut in 0..=history.len() {
        assert_eq!(tables(plugin, words, history, &[cut]), whole, "cut behind event {cut}");
    }
    let everywhere: Vec<usize> = (1..history.len()).collect();
    assert_eq!(tables(plugin, words, history, &everywhere), whole, "cut behind each event");
    whole
}
