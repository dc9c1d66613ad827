//! Frames with any content but sound checksums and chain: what a hostile writer could make.
//!
//! Input: repeated `type (1), first moment (1), length (2, little-endian), payload`. Before them stands one byte; if it is even, a
//! valid header frame comes first, so that the other frame types are reached.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use reenact::moment::Moment;
use reenact::recording::format::{FORMAT_VERSION, superblock};
use reenact::recording::frame::{Link, Sealer};
use reenact::recording::{BootKind, CpuModel, Header, MachineConfig, Reader};

fuzz_target!(|input: &[u8]| {
    let Some((mode, mut rest)) = input.split_first() else {
        return;
    };
    let mut bytes = superblock(FORMAT_VERSION).to_vec();
    let mut sealer = Sealer::new(Link::start(FORMAT_VERSION)).expect("zstd");
    if mode % 2 == 0 {
        let raw = postcard::to_stdvec(&header()).expect("plain data");
        bytes.extend(sealer.seal(1, Moment::ZERO, &raw).expect("seal"));
    }
    while let Some(([kind, first, low, high], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (raw, tail) = tail.split_at(len);
        bytes.extend(
            sealer
                .seal(*kind, Moment((*first).into()), raw)
                .expect("seal"),
        );
        rest = tail;
    }
    let Ok(reader) = Reader::from_source(Arc::new(bytes), Path::new("fuzz.reen")) else {
        return;
    };
    let mut last = Moment::ZERO;
    if let Ok(events) = reader.events() {
        for event in events.flatten() {
            assert!(event.at() >= last, "moments run backwards");
            last = event.at();
        }
    }
    let _ = reader.summary();
});

fn header() -> Header {
    Header {
        tool_version: String::new(),
        engine: String::new(),
        machine: MachineConfig {
            description: String::new(),
            ram_bytes: 0,
            cpu_model: CpuModel {
                name: String::new(),
                version: 0,
            },
            boot: BootKind::ElfPvh,
            kernel_cmdline: String::new(),
        },
        counting_rule: String::new(),
        wall_clock_start_ns: 0,
        command_line: vec![],
        digest_interval: 0,
        program: None,
        images: vec![],
    }
}
