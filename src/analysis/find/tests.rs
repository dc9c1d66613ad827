//! What is found, against what looking behind each single instruction finds, and against the machine as it stands there.

use super::*;
use crate::cpu::phys::PAGE;
use crate::recording::Reader;
use crate::replay::travel::{Options, Position};
use std::path::Path;
use std::time::Duration;

fn travel(name: &str) -> Travel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    let reader = Reader::open(path).expect("the recording is in the repository");
    let options = Options { workers: 2, slice_time: Duration::ZERO, keeps_index: false, ..Options::default() };
    let mut travel = Travel::open(reader, options).expect("it opens");
    assert!(travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it"));
    travel
}

fn all(travel: &Travel, pattern: Pattern, during: Range<Moment>, every: u64) -> Vec<Appearance> {
    let mut all = Vec::new();
    let query = Query { pattern, during, every };
    find(travel, &query, &Cancel::default(), &|_| {}, &mut |appearance| {
        all.push(appearance);
        ControlFlow::Continue(())
    })
    .expect("it replays");
    all
}

fn whole(travel: &Travel, pattern: Pattern) -> Vec<Appearance> {
    all(travel, pattern, Moment::ZERO..travel.end(), EVERY)
}

fn fixed(text: &str) -> Pattern {
    Pattern::bytes(text.as_bytes()).expect("it can be looked for")
}

fn read(travel: &Travel, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    travel.machine().cpu.phys.read(at, &mut bytes).expect("it is RAM");
    bytes
}

/// The instruction at the Moment of each find is the one that completes the bytes.
fn assert_each_is_exact(travel: &mut Travel, found: &[Appearance]) {
    for a in found.iter().filter(|a| a.moment > Moment::ZERO) {
        travel.seek(Position::at(a.moment)).expect("it replays");
        assert_ne!(read(travel, a.physical, a.bytes.len()), a.bytes, "they stand in front of {a:?}");
        assert_eq!(Some(travel.machine().cpu.rip), a.rip, "{a:?}");
        travel.seek(Position::at(Moment(a.moment.0 + 1))).expect("it replays");
        assert_eq!(read(travel, a.physical, a.bytes.len()), a.bytes, "they do not stand behind {a:?}");
        let linear = a.linear.expect("an instruction wrote to it");
        assert_eq!(travel.machine().cpu.translate_quietly(linear), Some(a.physical), "{a:?}");
    }
}

#[test]
fn what_is_copied_is_found_where_it_was_loaded_and_where_it_comes() {
    let mut travel = travel("heap_overflow");
    let found = whole(&travel, fixed("mallory, whose name"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].moment, found[0].rip), (Moment::ZERO, None));
    assert!(found[1].rip.is_some());
    assert_each_is_exact(&mut travel, &found);
}

#[test]
fn steps_of_any_length_tell_the_same_instructions() {
    let expressions =
        [("heap_overflow", "[a-z]{3,}y"), ("monitor", "[a-z ]{4,}"), ("usermode", r"(?-u)[\x80-\xff]{2}[\x00-\x7f]")];
    for (name, expression) in expressions {
        let travel = travel(name);
        let until = Moment(travel.end().0.min(40_000));
        let pattern = || Pattern::regex(expression).expect("it is an expression");
        // Behind each instruction nothing can be missed, and the step says which instruction it was.
        let single = all(&travel, pattern(), Moment::ZERO..until, 1);
        assert!(!single.is_empty(), "{name}");
        let tells = |a: &Appearance| (a.moment, a.physical, a.rip);
        let single: Vec<_> = single.iter().map(tells).collect();
        for every in [7, 1000, EVERY] {
            for a in all(&travel, pattern(), Moment::ZERO..until, every) {
                assert!(single.contains(&tells(&a)), "{name} every {every}: {a:?}");
            }
        }
    }
}

#[test]
fn bytes_across_the_border_of_two_pages_are_found() {
    let mut travel = travel("usermode");
    travel.seek(Position::at(Moment::ZERO)).expect("it is the start");
    let phys = &travel.machine().cpu.phys;
    let border = (0..phys.page_count()).map(|i| phys.page_address(i)).find(|&at| {
        let mut bytes = [0; 16];
        at >= PAGE && phys.read(at - 8, &mut bytes).is_some() && bytes.iter().filter(|b| **b != 0).count() > 8
    });
    let start = border.expect("the image has more than a page") - 8;
    let needle = read(&travel, start, 16);
    let found = whole(&travel, Pattern::bytes(&needle).expect("it can be looked for"));
    assert!(found.iter().any(|a| a.physical == start && a.moment == Moment::ZERO), "{found:?}");
}

#[test]
fn the_range_is_of_the_instructions_that_bring_the_bytes() {
    let travel = travel("heap_overflow");
    let at = whole(&travel, fixed("mallory"))[1].moment;
    let count = |from: u64, to: u64| all(&travel, fixed("mallory"), Moment(from)..Moment(to), EVERY).len();
    assert_eq!(count(at.0, at.0 + 1), 1);
    assert_eq!(count(at.0 + 1, travel.end().0), 0);
    assert_eq!(count(1, at.0), 0);
}

#[test]
fn one_who_has_seen_enough_ends_it() {
    let travel = travel("timers");
    let mut seen = 0;
    let query = Query { pattern: fixed("\0"), during: Moment::ZERO..travel.end(), every: EVERY };
    find(&travel, &query, &Cancel::default(), &|_| {}, &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .expect("it replays");
    assert_eq!(seen, 3);
}

#[test]
fn fixed_bytes_overlap_and_expressions_do_not() {
    let starts = |pattern: Pattern, text: &[u8]| pattern.starts(text).map(|(start, _)| start).collect::<Vec<_>>();
    assert_eq!(starts(fixed("aa"), b"aaaa"), [0, 1, 2]);
    let two = || Pattern::regex("aa").expect("it is an expression");
    assert_eq!(starts(two(), b"aaaa"), [0, 2]);
    let mut behind = vec![b'x'; PAGE as usize];
    behind.extend(b"aa");
    assert_eq!(starts(two(), &behind), [0; 0], "it begins in the next page");
    behind[PAGE as usize - 1] = b'a';
    assert_eq!(starts(two(), &behind), [4095]);
}

#[test]
fn what_cannot_be_looked_for_is_refused() {
    assert!(matches!(Pattern::bytes(b""), Err(PatternError::Empty)));
    assert!(matches!(Pattern::bytes(&[1; LONGEST + 1]), Err(PatternError::TooLong(_))));
    assert!(matches!(Pattern::regex("x*"), Err(PatternError::MatchesNothing)));
    assert!(matches!(Pattern::regex("(x"), Err(PatternError::Syntax(_))));
}
