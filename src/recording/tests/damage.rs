//! Every flipped bit and every missing byte is noticed, located, and costs only what lies behind it.

use proptest::prelude::*;

use super::*;

/// What a reader makes of damaged bytes: an error at opening, or the damage that a full pass finds.
fn examine(bytes: Vec<u8>) -> std::result::Result<Summary, Error> {
    let reader = open(bytes)?;
    for image in reader.images() {
        let _ = reader.load_image(image.role);
    }
    let read: Vec<Event> = reader.events().map(|stream| stream.filter_map(Result::ok).collect()).unwrap_or_default();
    let original = events();
    let known = read.len().min(original.len());
    assert_eq!(read[..known], original[..known], "what is read before the damage is what was written");
    reader.summary()
}

/// Offsets of the frames of a sound recording.
fn frame_offsets(bytes: &[u8]) -> Vec<u64> {
    let mut offsets = vec![format::SUPERBLOCK_LEN as u64];
    while let Some(rest) = bytes.get(*offsets.last().expect("not empty") as usize..).filter(|rest| !rest.is_empty()) {
        let len = u32::from_le_bytes(rest[28..32].try_into().expect("4 bytes"));
        offsets.push(offsets.last().expect("not empty") + format::FRAME_HEADER_LEN as u64 + u64::from(len));
    }
    offsets
}

/// The offset of the frame that holds `byte`; 0 for the superblock.
fn frame_of(offsets: &[u64], byte: usize) -> u64 {
    offsets.iter().copied().rfind(|&offset| offset <= byte as u64).unwrap_or(0)
}

#[test]
fn every_flipped_bit_is_found_in_its_frame() {
    let (sound, _) = small();
    let offsets = frame_offsets(&sound);
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let damage = match examine(bytes) {
            Ok(summary) => {
                assert_eq!(summary.identity(), None);
                summary.damage.unwrap_or_else(|| panic!("bit {bit} went unnoticed"))
            }
            Err(Error::Damaged { damage, .. }) => damage,
            Err(other) => panic!("bit {bit}: {other}"),
        };
        assert_eq!(damage.offset, frame_of(&offsets, bit / 8), "bit {bit}: {damage}");
    }
}

#[test]
fn every_truncation_keeps_the_whole_frames_and_is_reported() {
    let (sound, _) = small();
    let offsets = frame_offsets(&sound);
    for len in 0..sound.len() {
        match examine(sound[..len].to_vec()) {
            Ok(summary) => {
                assert!(!summary.is_closed(), "cut to {len} bytes");
                assert_eq!(summary.identity(), None);
                let whole = frame_of(&offsets, len);
                assert_eq!(summary.good_bytes, whole, "cut to {len} bytes");
                let images_are_whole = summary.frames >= 3;
                assert_eq!(summary.damage.is_none(), whole == len as u64 && images_are_whole, "cut to {len} bytes");
            }
            Err(Error::NotARecording { .. }) => assert_eq!(len, 0),
            Err(Error::Damaged { damage, .. }) => {
                assert_eq!(damage.offset, frame_of(&offsets[..1], len))
            }
            Err(other) => panic!("cut to {len} bytes: {other}"),
        }
    }
}

#[test]
fn what_a_killed_recorder_leaves_opens_up_to_the_last_flush() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.reen");
    let mut writer = Writer::create(&path, false, header(), &[KERNEL]).expect("create");
    writer.note(Moment(1), "kept").expect("note");
    writer.flush().expect("flush");
    writer.note(Moment(2), "lost").expect("note");
    let left = std::fs::read(&path).expect("the file stands under its final name");
    // A killed process runs no destructors: what counts is what the file held at that time.
    let reader = open(left).expect("opens");
    let summary = reader.summary().expect("summary");
    assert_eq!((summary.counts.notes, summary.is_closed(), summary.damage), (1, false, None));
    drop(writer);
    assert_eq!(Reader::open(&path).expect("opens").summary().expect("summary").counts.notes, 2);
}

#[test]
fn stream_ends_with_the_damage_and_then_for_good() {
    let (mut bytes, _) = small();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let reader = open(bytes).expect("opens");
    let mut stream = reader.events().expect("events");
    assert_eq!(stream.by_ref().filter(Result::is_ok).count(), events().len());
    assert!(stream.next().is_none() && !stream.is_closed());
    let error = reader.events().expect("events").last().expect("an item").expect_err("damage");
    let text = error.to_string();
    assert!(text.starts_with("a.reen is damaged: frame 5 at offset "), "{text}");
}

#[test]
fn bytes_behind_the_end_are_damage() {
    let (mut bytes, _) = small();
    let end = bytes.len() as u64;
    bytes.push(0);
    let found = damage(bytes);
    assert_eq!((found.offset, found.kind), (end, DamageKind::AfterEnd));
}

#[test]
fn frame_with_sound_checksum_from_another_place_breaks_the_chain() {
    let (sound, _) = small();
    let (other, _) = record(&[KERNEL, INITRD], &events()[..2], &[]);
    let (at, from) = (frame_offsets(&sound), frame_offsets(&other));
    let mut bytes = sound[..at[4] as usize].to_vec();
    bytes.extend_from_slice(&other[from[4] as usize..]);
    assert_eq!(damage(bytes).kind, DamageKind::Chain);
    let mut repeated = sound[..at[4] as usize].to_vec();
    repeated.extend_from_slice(&sound[at[3] as usize..]);
    assert_eq!(damage(repeated).kind, DamageKind::Sequence { expected: 4, found: 3 });
}

#[test]
fn newer_format_is_refused_by_name() {
    let (mut bytes, _) = small();
    bytes[..16].copy_from_slice(&format::superblock(7));
    let text = open(bytes.clone()).err().expect("refused").to_string();
    assert!(text.contains("recording format 7 is newer than this reenact understands (1)"), "{text}");
    bytes[..16].copy_from_slice(&format::superblock(0));
    assert!(matches!(open(bytes), Err(Error::UnknownFormat { found: 0, known: 1, .. })));
}

#[test]
fn other_files_are_not_recordings() {
    for bytes in [&b""[..], b"\x7fELF\x02\x01\x01", &[0; 4096]] {
        let error = open(bytes.to_vec()).err().expect("refused");
        assert!(error.to_string().contains("a.reen is not a recording"), "{error}");
    }
    assert!(matches!(Reader::open("does/not/exist.reen"), Err(Error::Open { .. })));
    assert!(matches!(Reader::open("."), Err(Error::Read { .. })));
}

#[test]
fn unknown_frame_and_record_are_errors_by_name() {
    let unknown_frame = forge(&[header_frame(&header()), (9, Moment::ZERO, vec![1])]);
    let error = open(unknown_frame).expect("opens").summary().expect_err("unknown");
    assert!(matches!(error, Error::UnknownFrame { kind: 9, seq: 1, .. }), "{error}");
    let unknown_record = forge(&[header_frame(&header()), (3, Moment::ZERO, vec![1, 1, 0, 0x7e, 0])]);
    let error = open(unknown_record).expect("opens").summary().expect_err("unknown");
    assert!(matches!(error, Error::UnknownRecord { tag: 0x7e, .. }), "{error}");
}

#[test]
fn frames_out_of_place_are_damage() {
    let advance = |at| (3, Moment(at), vec![1, 1, 1, 0x11, 0, 9]);
    let with = |frames: &[(u8, Moment, Vec<u8>)]| {
        let all: Vec<_> = [header_frame(&header())].into_iter().chain(frames.iter().cloned()).collect();
        damage(forge(&all)).kind
    };
    assert_eq!(with(&[header_frame(&header())]), DamageKind::OutOfPlace { kind: 1 });
    assert_eq!(with(&[(2, Moment::ZERO, vec![1])]), DamageKind::OutOfPlace { kind: 2 });
    let backwards = DamageKind::Moments { last: Moment(7), found: Moment(6) };
    assert_eq!(with(&[advance(7), advance(6)]), backwards);
    let end = |at, inputs| {
        let counts = Counts { inputs, ..Counts::default() };
        let end =
            End { at: Moment(at), digest: [0; 32], reason: ExitReason::Stopped, program_status: Some(7 << 8), counts };
        (4, Moment(at), postcard::to_stdvec(&end).expect("plain data"))
    };
    assert_eq!(with(&[advance(7), end(6, 1)]), backwards);
    assert_eq!(with(&[advance(7), end(7, 2)]), DamageKind::Counts);
}

#[test]
fn forged_images_are_damage() {
    let with = |info: ImageInfo, chunks: &[&[u8]]| {
        let mut frames = vec![header_frame(&Header { images: vec![info], ..header() })];
        frames.extend(chunks.iter().map(|chunk| (2, Moment::ZERO, chunk.to_vec())));
        open(forge(&frames))
    };
    let kernel = Image { bytes: b"abc", ..KERNEL }.info();
    let wrong = with(kernel.clone(), &[b"ab", b"d"]).expect("opens");
    let hash = DamageKind::ImageHash { role: "kernel".into() };
    assert_eq!(wrong.summary().expect("summary").damage.expect("damage").kind, hash);
    assert!(matches!(wrong.load_image(ImageRole::Kernel), Err(Error::Damaged { damage, .. }) if damage.kind == hash));
    let short = with(kernel.clone(), &[b"ab"]).expect("opens");
    let incomplete = DamageKind::ImageIncomplete { role: "kernel".into(), missing: 1 };
    assert!(matches!(short.events(), Err(Error::Damaged { damage, .. }) if damage.kind == incomplete));
    let long = with(kernel.clone(), &[b"abcd"]).expect("opens");
    assert_eq!(long.summary().expect("summary").damage.expect("damage").kind, DamageKind::OutOfPlace { kind: 2 });
    assert!(matches!(with(ImageInfo { len: u64::MAX, ..kernel.clone() }, &[]), Err(Error::Damaged { .. })));
    assert!(matches!(with(ImageInfo { len: 0, ..kernel }, &[]), Err(Error::Damaged { .. })));
}

proptest! {
    #[test]
    fn garbage_behind_a_superblock_never_panics(tail: Vec<u8>) {
        let mut bytes = format::superblock(FORMAT_VERSION).to_vec();
        bytes.extend(tail);
        prop_assert!(open(bytes).is_err());
    }

    #[test]
    fn sealed_garbage_never_panics(
        frames in proptest::collection::vec((0u8..6, 0u64..4, proptest::collection::vec(any::<u8>(), 0..80)), 0..6),
        has_header: bool,
    ) {
        let mut all = vec![];
        if has_header {
            all.push(header_frame(&Header { images: vec![INITRD.info()], ..header() }));
            all.push((2, Moment::ZERO, INITRD.bytes.to_vec()));
        }
        all.extend(frames.into_iter().map(|(kind, first, raw)| (kind, Moment(first), raw)));
        if let Ok(reader) = open(forge(&all)) {
            let _ = reader.summary();
            let _ = reader.load_image(ImageRole::Initrd);
        }
    }

    #[test]
    fn scrambled_stretch_is_found(start in 0usize..600, scramble in proptest::collection::vec(1u8.., 1..40)) {
        let (sound, _) = small();
        let mut bytes = sound.clone();
        for (byte, xor) in bytes.iter_mut().skip(start % sound.len()).zip(&scramble) {
            *byte ^= xor;
        }
        match open(bytes) {
            Ok(reader) => prop_assert!(reader.summary().map_or(true, |summary| summary.damage.is_some())),
            Err(error) => prop_assert!(error.to_string().contains("a.reen")),
        }
    }
}
