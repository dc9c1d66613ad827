//! Tests of the session on small recordings.

use super::*;
use crate::moment::Moment;

/// The heap overflow: its pointer is overwritten early and called at the end.
const LENGTH: u64 = 4_212_226;

fn session(name: &str) -> Session {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    Session::open(&path, Options { keeps_index: false, ..Options::default() }).expect("the trace opens")
}

fn go(session: &Session, to: &str) -> Result<u64, Error> {
    let to: Destination = to.parse()?;
    session.ask(move |seat| Ok(seat.go(&to)?.moment.0))
}

#[test]
fn every_way_to_write_a_place_leads_there() {
    let session = session("heap_overflow");
    let places = [
        ("1,000", 1000),
        ("+24", 1024),
        ("-1000", 24),
        ("50%", LENGTH / 2),
        ("end", LENGTH),
        ("0", 0),
        ("100%", LENGTH),
    ];
    for (text, moment) in places {
        assert_eq!(go(&session, text).expect(text), moment, "{text}");
    }
}

#[test]
fn places_outside_history_are_refused_and_nothing_moves() {
    let session = session("heap_overflow");
    go(&session, "500").expect("it is inside");
    assert!(matches!(go(&session, "4212227"), Err(Error::PastEnd { .. })));
    assert!(matches!(go(&session, "-501"), Err(Error::BeforeStart { .. })));
    assert!(matches!(go(&session, "somewhere"), Err(Error::NoDestination(_))));
    assert_eq!(session.ask(|seat| Ok(seat.position().moment)).expect("it answers"), Moment(500));
}

#[test]
fn memory_that_is_not_there_is_an_error_and_what_is_there_comes_up_to_the_gap() {
    let session = session("heap_overflow");
    let read = |memory, address, len| session.ask(move |seat| seat.read(memory, address, len));
    // 8 MiB of RAM.
    assert_eq!(read(Memory::Physical, 0x7f_fff0, 64).expect("16 bytes are there").len(), 16);
    assert!(matches!(read(Memory::Physical, 0x80_0000, 1), Err(Error::Unmapped(_))));
    assert!(matches!(read(Memory::Physical, u64::MAX, 2), Err(Error::Unmapped(_))));
    go(&session, "end").expect("there is one");
    assert_eq!(read(Memory::Current, 0x10_0000, 4).expect("it is mapped"), [2, 0xb0, 0xad, 0x1b]);
    for address in [0x0000_8000_0010_0000, 0xffff_7fff_ffff_f000, 1 << 45] {
        assert!(matches!(read(Memory::Current, address, 1), Err(Error::Unmapped(_))), "{address:#x}");
    }
    // The same address by way of the page tables' root, and of one that is none.
    assert_eq!(read(Memory::Of(0x10_1000), 0x10_0000, 4).expect("it is mapped"), [2, 0xb0, 0xad, 0x1b]);
    assert!(matches!(read(Memory::Of(0x7f_0000), 0x10_0000, 4), Err(Error::Unmapped(_))));
}

#[test]
fn the_last_write_is_where_the_bytes_change_for_the_last_time() {
    let session = session("heap_overflow");
    go(&session, "end").expect("there is one");
    // The function pointer of the record: the crash jumped to what is in it.
    let access = Access { place: Place::Linear(0x10_c038, Space::Any), len: 8, kind: AccessKind::Write };
    let found = session.ask(move |seat| seat.find_access(Direction::Backward, &access)).expect("it was written");
    assert_eq!(found.position, found.before);
    assert!((0x10_c038..0x10_c040).contains(&found.address));
    let text = session.ask(|seat| Ok(seat.next_instruction())).expect("it answers");
    assert_eq!(text, "mov %al,(%rdi)");
    let last = Access { place: Place::Linear(found.address, Space::Any), len: 1, kind: AccessKind::Write };
    let again = session.ask(move |seat| seat.find_access(Direction::Forward, &last)).expect("it is the next one, too");
    assert_eq!((again.before, again.rip), (found.before, found.rip));
    assert!(again.position > found.position);
}

#[test]
fn what_nobody_writes_is_said_and_nothing_moves() {
    let session = session("heap_overflow");
    go(&session, "1000").expect("it is inside");
    let access = Access { place: Place::Physical(0x10_0000), len: 4, kind: AccessKind::Write };
    for direction in [Direction::Backward, Direction::Forward] {
        let outcome = session.ask(move |seat| seat.find_access(direction, &access));
        assert!(matches!(outcome, Err(Error::NothingFound(_))));
        assert_eq!(session.ask(|seat| Ok(seat.position().moment)).expect("it answers"), Moment(1000));
    }
}

#[test]
fn a_search_that_is_cancelled_leaves_the_machine_where_it_was() {
    let session = session("heap_overflow");
    go(&session, "end").expect("there is one");
    let (send, receive) = std::sync::mpsc::channel();
    let watch =
        Watch { place: Place::Linear(0x10_b800, Space::Any), len: 8, kind: AccessKind::ReadWrite, changes_only: false };
    let stops = Stops { watches: vec![watch], ..Stops::default() };
    session
        .start(move |seat| seat.run(Direction::Backward, &stops), move |arrival| send.send(arrival).expect("it waits"))
        .expect("it runs");
    session.cancel();
    assert_eq!(receive.recv().expect("it answers").expect("it works"), Arrival::Cancelled);
    assert_eq!(session.ask(|seat| Ok(seat.position().moment)).expect("it answers"), Moment(LENGTH));
}

#[test]
fn a_recording_without_a_program_says_so() {
    let session = session("timers");
    let outcome = session.ask(|seat| seat.program());
    assert!(matches!(outcome, Err(Error::Program(why)) if why.contains("record -- PROGRAM")));
}

#[test]
fn inputs_are_told_on_both_sides_of_now() {
    let session = session("monitor");
    go(&session, "50%").expect("it is inside");
    let inputs = session.ask(|seat| Ok(seat.inputs(2))).expect("it answers");
    let now = session.ask(|seat| Ok(seat.position().moment)).expect("it answers");
    assert!(inputs.before.len() <= 2 && inputs.before.iter().all(|i| i.at <= now));
    assert!(inputs.after.len() <= 2 && inputs.after.iter().all(|i| i.at > now));
    assert!(inputs.before.len() + inputs.after.len() >= 2);
}
