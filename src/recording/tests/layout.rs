//! The bytes themselves: how many they are, and that they mean the same in every build that knows the format.

use super::*;

/// 90 digests, 30 kB of console one byte at a time as a polled serial port sends it, a frame every tenth of a second.
#[test]
fn a_boot_costs_less_than_64_kib_beside_its_images() {
    let text: Vec<u8> =
        (0..30_000u32).map(|i| b"[    0.000000] Linux version kernel: mem "[(i * 7 % 41) as usize]).collect();
    let mut events = Vec::new();
    let mut at = 0u64;
    for (index, byte) in text.iter().enumerate() {
        at += 180 + ((index as u64 * 2_654_435_761) >> 7) % 7;
        if index % 80 == 0 {
            at += 2_000_000 + (index as u64 * 40_503) % 1_000_003;
        }
        events.push(Event::Output(Output { at: Moment(at), port: 0, bytes: vec![*byte] }));
        if index % 333 == 0 {
            let digest = *blake3::hash(&index.to_le_bytes()).as_bytes();
            events.push(Event::Digest(Digest { at: Moment(at), digest }));
        }
    }
    let cuts: Vec<usize> = (0..events.len()).step_by(300).collect();
    let (bytes, _) = record(&[], &events, &cuts);
    assert!(bytes.len() <= 64 << 10, "{} bytes", bytes.len());
}

/// The closing record is postcard: its bytes must not change under a refactoring.
#[test]
fn closing_record_keeps_its_encoding() {
    let counts = Counts { inputs: 1, digests: 2, outputs: 3, console_bytes: 300, notes: 4 };
    let encode = |reason| {
        let end = End { at: Moment(128), digest: [0xdd; 32], reason, program_status: Some(7 << 8), counts };
        let bytes = postcard::to_stdvec(&end).expect("plain data");
        assert_eq!(bytes[..2], [0x80, 0x01]);
        assert_eq!(bytes[2..34], [0xdd; 32]);
        assert_eq!(bytes[bytes.len() - 9..], [1, 0x80, 0x0e, 1, 2, 3, 0xac, 0x02, 4]);
        bytes[34..bytes.len() - 9].to_vec()
    };
    assert_eq!(encode(ExitReason::PowerOff), [0]);
    assert_eq!(encode(ExitReason::Reset { how: ResetHow::KeyboardController }), [1, 0]);
    assert_eq!(encode(ExitReason::Reset { how: ResetHow::Port92 }), [1, 1]);
    assert_eq!(encode(ExitReason::Reset { how: ResetHow::PortCf9 }), [1, 2]);
    assert_eq!(encode(ExitReason::Reset { how: ResetHow::Acpi }), [1, 3]);
    assert_eq!(encode(ExitReason::TripleFault), [2]);
    assert_eq!(encode(ExitReason::DebugExit { code: 49 }), [3, 49]);
    assert_eq!(encode(ExitReason::HaltedForever), [4]);
    assert_eq!(encode(ExitReason::Stopped), [5]);
    assert_eq!(encode(ExitReason::LimitReached), [6]);
    assert_eq!(encode(ExitReason::Failed { message: "no".into() }), [7, 2, b'n', b'o']);
}

/// A file that an earlier build wrote. It must stay readable for as long as format 1 is; a new one is never put in its
/// place, because recordings like it are out there.
#[test]
fn recording_from_an_earlier_build_still_reads() {
    let bytes = include_bytes!("format-1.bin").to_vec();
    let reader = open(bytes).expect("opens");
    let images = vec![KERNEL.info(), INITRD.info()];
    assert_eq!(*reader.header(), Header { images, ..header() });
    let read: Vec<Event> = reader.events().expect("events").collect::<Result<_>>().expect("sound");
    assert_eq!(read[..events().len()], events());
    let identity = reader.summary().expect("summary").identity().expect("whole").to_string();
    assert_eq!(identity, "d77b3d52afb681ecce68d9009a2a569d3d685841a26111640e420ae4e51d4597");
}
