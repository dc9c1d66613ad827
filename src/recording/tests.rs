//! The recording as a whole: what is written is read back, and no damaged byte goes unnoticed.

mod damage;
mod layout;
mod publishing;
mod round_trip;

use std::path::Path;
use std::sync::Arc;

use super::format::FORMAT_VERSION;
use super::frame::{Link, Sealer};
use super::*;
use crate::moment::Moment;

fn header() -> Header {
    Header {
        tool_version: "0.1.0".into(),
        engine: "interpreter".into(),
        machine: MachineConfig {
            description: "pc".into(),
            ram_bytes: 64 << 20,
            cpu_model: CpuModel { name: "x86-64-v2".into(), version: 1 },
            boot: BootKind::ElfPvh,
            kernel_cmdline: "console=ttyS0".into(),
        },
        counting_rule: "retired-1".into(),
        wall_clock_start_ns: 1_700_000_000_000_000_000,
        command_line: vec!["reenact".into(), "record".into()],
        digest_interval: 10_000_000,
        program: Some(ProgramInfo { path: "/bin/true".into(), args: vec![] }),
        images: vec![],
    }
}

const KERNEL: Image<'_> =
    Image { role: ImageRole::Kernel, name: "vmlinux", bytes: b"kernel kernel kernel kernel kernel" };
const INITRD: Image<'_> = Image { role: ImageRole::Initrd, name: "initrd", bytes: b"\x01\x02\x03" };

fn events() -> Vec<Event> {
    let input = |at, data| Event::Input(Input { at: Moment(at), data });
    vec![
        input(0, InputData::WallClock { ns: 1_700_000_000_000_000_000 }),
        input(5, InputData::HostEntropy { bytes: vec![0xa5; 16] }),
        Event::Output(Output { at: Moment(100), port: 0, bytes: b"Linux version".to_vec() }),
        Event::Digest(Digest { at: Moment(200), digest: [7; 32] }),
        input(200, InputData::HaltAdvance { ns: 4_000_000 }),
        input(200, InputData::SerialRx { port: 0, bytes: b"ls\n".to_vec() }),
        Event::Note(Note { at: Moment(u64::MAX / 2), text: "an unimplemented instruction".into() }),
    ]
}

fn append(writer: &mut Writer, event: &Event) -> Result<()> {
    match event {
        Event::Input(input) => writer.input(input),
        Event::Digest(digest) => writer.digest(digest),
        Event::Output(output) => writer.output(output.at, output.port, &output.bytes),
        Event::Note(note) => writer.note(note.at, &note.text),
        Event::End(_) => unreachable!("tests close by finish"),
    }
}

/// The bytes of a closed recording with `events`, of which each at an index in `cuts` begins a new frame.
fn record(images: &[Image<'_>], events: &[Event], cuts: &[usize]) -> (Vec<u8>, Identity) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.reen");
    let mut writer = Writer::create(&path, false, header(), images).expect("create");
    for (index, event) in events.iter().enumerate() {
        if cuts.contains(&index) {
            writer.flush().expect("flush");
        }
        append(&mut writer, event).expect("append");
    }
    let last = writer.last();
    let identity = writer.finish(last, [9; 32], ExitReason::PowerOff, Some(7 << 8)).expect("finish");
    (std::fs::read(&path).expect("read back"), identity)
}

fn small() -> (Vec<u8>, Identity) {
    record(&[KERNEL, INITRD], &events(), &[3])
}

fn open(bytes: Vec<u8>) -> Result<Reader> {
    Reader::from_source(Arc::new(bytes), Path::new("a.reen"))
}

/// A file of any frames at all, with sound checksums and chain.
fn forge(frames: &[(u8, Moment, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = format::superblock(FORMAT_VERSION).to_vec();
    let mut sealer = Sealer::new(Link::start(FORMAT_VERSION)).expect("zstd");
    for (kind, first, raw) in frames {
        bytes.extend(sealer.seal(*kind, *first, raw).expect("seal"));
    }
    bytes
}

fn header_frame(header: &Header) -> (u8, Moment, Vec<u8>) {
    (1, Moment::ZERO, postcard::to_stdvec(header).expect("plain data"))
}

fn damage(bytes: Vec<u8>) -> Damage {
    open(bytes).expect("opens").summary().expect("summary").damage.expect("damage")
}
