//! What is written is what is read, whatever the events and wherever the frames are cut.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn closed_recording_reads_back_whole() {
    let (bytes, identity) = small();
    let reader = open(bytes.clone()).expect("opens");
    let images = vec![KERNEL.info(), INITRD.info()];
    assert_eq!(*reader.header(), Header { images, ..header() });
    assert_eq!(reader.load_image(ImageRole::Kernel).expect("kernel").as_deref(), Some(KERNEL.bytes));
    assert_eq!(reader.load_image(ImageRole::Initrd).expect("initrd").as_deref(), Some(INITRD.bytes));
    assert_eq!(reader.load_image(ImageRole::Ram).expect("none"), None);

    let mut stream = reader.events().expect("events");
    let read: Vec<Event> = stream.by_ref().collect::<Result<_>>().expect("undamaged");
    let (end, before) = read.split_last().expect("not empty");
    assert_eq!(before, events());
    let counts = Counts { inputs: 4, digests: 1, outputs: 1, console_bytes: 13, notes: 1 };
    let at = Moment(u64::MAX / 2);
    assert_eq!(
        *end,
        Event::End(End { at, digest: [9; 32], reason: ExitReason::PowerOff, program_status: Some(7 << 8), counts })
    );
    assert!(stream.is_closed());
    assert_eq!(stream.chain_head(), identity);

    let summary = reader.summary().expect("summary");
    assert_eq!(summary.identity(), Some(identity));
    assert_eq!(summary.counts, counts);
    assert_eq!(summary.inputs_by_source.get(&InputSource::Serial), Some(&1));
    assert_eq!((summary.last, summary.frames, summary.good_bytes), (at, 6, bytes.len() as u64));
}

#[test]
fn same_events_give_the_same_identity_and_different_ones_another() {
    assert_eq!(small(), small());
    assert_ne!(small().1, record(&[KERNEL, INITRD], &events(), &[]).1);
}

#[test]
fn recording_without_images_or_events_is_whole() {
    let (bytes, identity) = record(&[], &[], &[]);
    assert_eq!(open(bytes).expect("opens").summary().expect("summary").identity(), Some(identity));
}

#[test]
fn empty_image_is_an_image() {
    let (bytes, _) =
        record(&[Image { bytes: b"", ..KERNEL }, INITRD, Image { role: ImageRole::Ram, ..INITRD }], &[], &[]);
    let reader = open(bytes).expect("opens");
    assert_eq!(reader.load_image(ImageRole::Kernel).expect("kernel"), Some(vec![]));
    assert_eq!(reader.load_image(ImageRole::Ram).expect("ram").as_deref(), Some(INITRD.bytes));
    assert_eq!(reader.summary().expect("summary").damage, None);
}

#[test]
fn incompressible_image_of_many_chunks_costs_only_the_frame_headers() {
    let mut noise = vec![0; 3 * format::IMAGE_CHUNK + 5];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let (bytes, _) = record(&[Image { bytes: &noise, ..KERNEL }], &[], &[]);
    assert!(bytes.len() < noise.len() + 1024, "{}", bytes.len());
    let loaded = open(bytes).expect("opens").load_image(ImageRole::Kernel).expect("kernel");
    assert!(loaded == Some(noise));
}

#[test]
fn records_and_frames_keep_to_their_sizes() {
    let largest = vec![1; format::MAX_RECORD_BYTES];
    let big: Vec<Event> =
        (0..5).map(|at| Event::Output(Output { at: Moment(at), port: 1, bytes: largest.clone() })).collect();
    let many = (5..200_000).map(|at| Event::Input(Input { at: Moment(at), data: InputData::HaltAdvance { ns: 1 } }));
    let events: Vec<Event> = big.into_iter().chain(many).collect();
    let (bytes, _) = record(&[], &events, &[]);
    let reader = open(bytes).expect("opens");
    assert!(reader.events().expect("events").take(events.len()).map(|event| event.expect("sound")).eq(events));
    assert!(reader.summary().expect("summary").frames >= 9);
}

#[test]
fn overlong_record_and_backward_moment_are_refused_and_leave_no_trace() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.reen");
    let mut writer = Writer::create(&path, false, header(), &[]).expect("create");
    writer.note(Moment(5), "five").expect("note");
    let overlong = vec![0; format::MAX_RECORD_BYTES + 1];
    assert!(matches!(writer.output(Moment(6), 0, &overlong), Err(Error::TooLarge { .. })));
    assert!(matches!(writer.note(Moment(4), "four"), Err(Error::OutOfOrder { at: Moment(4), last: Moment(5), .. })));
    writer.finish(Moment(5), [0; 32], ExitReason::Stopped, None).expect("finish");
    let counts = Reader::open(&path).expect("opens").summary().expect("summary").counts;
    assert_eq!(counts, Counts { notes: 1, ..Counts::default() });
}

#[test]
fn frame_is_cut_when_the_interval_has_passed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.reen");
    let mut writer = Writer::create(&path, false, header(), &[]).expect("create");
    let start = Duration::from_secs(1000);
    assert!(!writer.flush_if_due(start).expect("nothing waits"));
    writer.note(Moment(1), "one").expect("note");
    assert!(!writer.flush_if_due(start + Duration::from_millis(99)).expect("not due"));
    assert_eq!(Reader::open(&path).expect("opens").events().expect("events").count(), 0);
    assert!(writer.flush_if_due(start + Duration::from_millis(100)).expect("due"));
    assert_eq!(Reader::open(&path).expect("opens").events().expect("events").count(), 1);
    assert!(!writer.flush_if_due(start + Duration::from_secs(9)).expect("nothing waits"));
}

#[test]
fn clone_of_a_stream_continues_from_its_place() {
    let (bytes, _) = small();
    let reader = open(bytes).expect("opens");
    let mut stream = reader.events().expect("events");
    for _ in 0..4 {
        let bookmark = stream.clone();
        stream.next().expect("more").expect("sound");
        let from_bookmark: Vec<Event> = bookmark.skip(1).map(|event| event.expect("sound")).collect();
        let from_stream: Vec<Event> = stream.clone().map(|event| event.expect("sound")).collect();
        assert_eq!(from_bookmark, from_stream);
    }
}

fn any_event() -> impl Strategy<Value = (u64, Event)> {
    let at = Moment::ZERO;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let input = move |data| Event::Input(Input { at, data });
    let event = prop_oneof![
        (any::<u8>(), bytes()).prop_map(move |(port, bytes)| input(InputData::SerialRx { port, bytes })),
        any::<u64>().prop_map(move |ns| input(InputData::HaltAdvance { ns })),
        any::<u64>().prop_map(move |ns| input(InputData::WallClock { ns })),
        bytes().prop_map(move |bytes| input(InputData::HostEntropy { bytes })),
        any::<[u8; 32]>().prop_map(move |digest| Event::Digest(Digest { at, digest })),
        (any::<u8>(), bytes()).prop_map(move |(port, bytes)| Event::Output(Output { at, port, bytes })),
        ".{0,20}".prop_map(move |text| Event::Note(Note { at, text })),
    ];
    (prop_oneof![Just(0), 0..1000u64, any::<u32>().prop_map(u64::from)], event)
}

fn place(event: &mut Event, moment: Moment) {
    match event {
        Event::Input(Input { at, .. }) | Event::Digest(Digest { at, .. }) => *at = moment,
        Event::Output(Output { at, .. }) | Event::Note(Note { at, .. }) | Event::End(End { at, .. }) => *at = moment,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_events_round_trip_in_any_frames(
        steps in proptest::collection::vec(any_event(), 0..60),
        cuts in proptest::collection::vec(0..60usize, 0..8),
        image in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut at = 0;
        let events: Vec<Event> = steps.into_iter().map(|(delta, mut event)| {
            at += delta;
            place(&mut event, Moment(at));
            event
        }).collect();
        let (bytes, identity) = record(&[Image { bytes: &image, ..KERNEL }], &events, &cuts);
        let reader = open(bytes).expect("opens");
        let read: Vec<Event> = reader.events().expect("events").collect::<Result<_>>().expect("sound");
        prop_assert_eq!(&read[..events.len()], &events[..]);
        prop_assert_eq!(read.len(), events.len() + 1);
        prop_assert_eq!(reader.summary().expect("summary").identity(), Some(identity));
        prop_assert_eq!(reader.load_image(ImageRole::Kernel).expect("kernel"), Some(image));
    }
}
