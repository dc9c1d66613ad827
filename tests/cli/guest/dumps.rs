//! `reenact dump`: each format holds all RAM at its place, and the ELF core names the kernel.

use super::Booted;
use crate::command::{info, run};
use crate::guests::{Bench, debian, trace};
use goblin::elf::Elf;
use reenact::guest::Physical;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

fn dump(recording: &Path, format: &str, output: &Path) -> crate::command::Ran {
    let (recording, output) = (recording.to_str().expect("text"), output.to_str().expect("text"));
    run(["dump", recording, "--at", "end", "--format", format, "-o", output])
}

struct Dumped {
    booted: Booted,
    dir: tempfile::TempDir,
}

impl Dumped {
    fn bytes(&self, format: &str) -> Vec<u8> {
        let path = self.dir.path().join(format);
        dump(&self.booted.recording, format, &path).succeeded();
        std::fs::read(path).expect("it was just written")
    }
    /// RAM is in `file` at `place(guest-physical address)`.
    #[track_caller]
    fn holds_ram(&self, file: &[u8], place: impl Fn(u64) -> u64) {
        for range in self.booted.machine.ranges() {
            for gpa in range.step_by(4096) {
                let at = place(gpa) as usize;
                assert!(self.booted.machine.page(gpa) == file.get(at..at + 4096), "page {gpa:#x}");
            }
        }
    }
}

#[test]
fn a_dump_holds_all_memory_in_each_format() {
    let Some(guests) = debian("a_dump_holds_all_memory_in_each_format") else { return };
    let dumped =
        Dumped { booted: Booted::new(&guests, "vmlinuz-cloud", ""), dir: tempfile::tempdir().expect("there is room") };
    dumped.holds_ram(&dumped.bytes("raw"), |gpa| gpa);

    let lime = dumped.bytes("lime");
    let ranges = dumped.booted.machine.ranges();
    assert_eq!(ranges, [0..0xa_0000, 0xc_0000..384 << 20]);
    assert_eq!(lime[..8], *b"EMiL\x01\0\0\0");
    let second = 32 + 0xa_0000;
    assert_eq!(lime[second + 8..second + 24], [0xc_0000u64.to_le_bytes(), ((384u64 << 20) - 1).to_le_bytes()].concat());
    dumped.holds_ram(&lime, |gpa| if gpa < 0xa_0000 { gpa + 32 } else { gpa - 0x2_0000 + 64 });

    let core = dumped.bytes("elf");
    let elf = Elf::parse(&core).expect("an ELF file");
    assert_eq!((elf.header.e_type, elf.header.e_machine), (4, 62));
    let notes: Vec<_> = elf.iter_note_headers(&core).expect("there are notes").map(|n| n.expect("a note")).collect();
    assert_eq!(notes.iter().map(|n| (n.name, n.n_type)).collect::<Vec<_>>(), [("CORE", 1), ("VMCOREINFO", 0)]);
    assert_eq!(notes[0].desc.len(), 336);
    let rip = u64::from_le_bytes(notes[0].desc[112 + 16 * 8..][..8].try_into().expect("8 bytes"));
    assert_eq!(rip, dumped.booted.machine.cpu.rip);
    assert!(notes[1].desc.starts_with(b"OSRELEASE="));
    let loads: Vec<_> = elf.program_headers.iter().filter(|p| p.p_type == 1).collect();
    dumped.holds_ram(&core, |gpa| {
        let load = loads.iter().find(|p| (p.p_paddr..p.p_paddr + p.p_filesz).contains(&gpa)).expect("a segment");
        load.p_offset + gpa - load.p_paddr
    });
}

fn files(bench: &Bench, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| bench.path(name)).collect()
}

#[test]
fn a_guest_that_is_not_linux_is_dumped_and_has_no_processes() {
    let bench = Bench::with("usermode");
    let recording = bench.recorded("r.reen");
    let refused = |recording: &Path, words: &[&str]| run([OsStr::new("ps"), recording.as_os_str()]).refused(3, words);
    refused(&recording, &["the kernel in memory is not a Linux that reenact knows"]);
    refused(&trace("timers"), &["kernel", "no 64-bit kernel is up at this Moment", "try a later one"]);
    let [elf, raw]: [PathBuf; 2] = files(&bench, &["elf", "raw"]).try_into().expect("two");
    let said = dump(&recording, "elf", &elf).succeeded();
    assert!(said.err.contains("has no VMCOREINFO"), "{}", said.err);
    assert!(said.text().contains("memory at instruction"), "{}", said.text());
    dump(&recording, "raw", &raw).succeeded();
    assert_eq!(std::fs::metadata(&raw).expect("it is there").len(), 8 << 20);
}

#[test]
fn a_dump_replaces_nothing_and_leaves_nothing_half() {
    let bench = Bench::with("timers");
    let recording = bench.recorded("r.reen");
    let there = bench.path("there");
    std::fs::write(&there, "mine").expect("there is room");
    dump(&recording, "raw", &there).refused(3, &["there", "remove what is there"]);
    assert_eq!(std::fs::read(&there).expect("it is there"), b"mine");
    let behind = info(&recording)["instructions"].as_u64().expect("a number") + 1;
    let output = bench.path("none");
    let (name, to) = (recording.to_str().expect("text"), output.to_str().expect("text"));
    run(["dump", name, "--at", &behind.to_string(), "--format", "raw", "-o", to])
        .refused(2, &["behind the end", "--at end"]);
    assert!(!output.exists());
}
