//! Seeking and stepping: the state is that of a straight run, wherever one comes from.

use super::*;
use crate::machine::digest::Hash;

#[test]
fn random_seeks_give_the_digests_of_a_straight_run() {
    for name in TRACES {
        let mut travel = travel(name);
        let mut random = Random(7);
        let mut places: Vec<u64> = (0..1000).map(|_| random.below(travel.end().0 + 1)).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        let mut straight = straight(name);
        let digests: Vec<Hash> = sorted
            .iter()
            .map(|&m| {
                straight.run(Moment(m)).expect("it replays");
                straight.machine.digest()
            })
            .collect();
        places.reverse();
        for m in places {
            travel.seek(Position::at(Moment(m))).expect("it can be reached");
            assert_eq!(travel.position(), Position::at(Moment(m)));
            let i = sorted.binary_search(&m).expect("all places are in it");
            assert_eq!(travel.digest(), digests[i], "{name} at {m}");
        }
    }
}

#[test]
fn steps_back_and_forth_are_the_identity() {
    for (name, steps) in TRACES.iter().flat_map(|n| [(n, Steps::Cpu), (n, Steps::Thread)]) {
        let mut travel = travel(name);
        let mut random = Random(11);
        let (stops, cancel) = (Stops::default(), Cancel::default());
        for _ in 0..50 {
            let start = Position::at(Moment(random.below(travel.end().0 + 1)));
            travel.seek(start).expect("it can be reached");
            // In a thread's steps a place is one that a step arrives at.
            if steps == Steps::Thread && step(&mut travel, Direction::Forward, steps) != Arrival::Stepped {
                continue;
            }
            let (from, digest) = (travel.position(), travel.digest());
            let wanted = random.any_size(2000);
            let mut done = 0;
            while done < wanted
                && travel.step(Direction::Backward, steps, &stops, &cancel).expect("a step") == Arrival::Stepped
            {
                assert!(travel.position() < from);
                done += 1;
            }
            if done < wanted {
                // The first step of all does not lead to where the thread began.
                continue;
            }
            for _ in 0..done {
                assert_eq!(step(&mut travel, Direction::Forward, steps), Arrival::Stepped);
            }
            assert_eq!(travel.position(), from, "{name} {steps:?} {done} steps");
            assert_eq!(travel.digest(), digest, "{name} {steps:?} {done} steps from {from:?}");
        }
    }
}

fn step(travel: &mut Travel, direction: Direction, steps: Steps) -> Arrival {
    travel.step(direction, steps, &Stops::default(), &Cancel::default()).expect("a step")
}

#[test]
fn history_has_two_ends() {
    let mut travel = travel("usermode");
    assert_eq!(step(&mut travel, Direction::Backward, Steps::Cpu), Arrival::Begin);
    assert_eq!(travel.run(Direction::Forward, &Stops::default(), &Cancel::default()).expect("a run"), Arrival::End);
    assert_eq!(travel.position(), Position::at(travel.end()));
    assert_eq!(step(&mut travel, Direction::Forward, Steps::Cpu), Arrival::End);
    assert_eq!(travel.run(Direction::Backward, &Stops::default(), &Cancel::default()).expect("a run"), Arrival::Begin);
    assert_eq!(travel.position(), Position::at(Moment(0)));
}

#[test]
fn a_delivery_is_a_place_of_its_own() {
    let delivered = all_hits("timers", &Wanted { deliveries: true, ..Wanted::default() });
    assert!(delivered.len() > 20, "{} deliveries", delivered.len());
    let mut travel = travel("timers");
    for hit in delivered.iter().rev().step_by(3) {
        let before = Position::from(hit.at);
        travel.seek(before).expect("it can be reached");
        let rip = travel.machine().cpu.rip;
        assert_eq!(step(&mut travel, Direction::Forward, Steps::Cpu), Arrival::Stepped);
        assert_eq!(travel.position(), Position { deliveries: before.deliveries + 1, ..before });
        assert_ne!(travel.machine().cpu.rip, rip, "the handler's first instruction is next");
        assert_eq!(step(&mut travel, Direction::Backward, Steps::Cpu), Arrival::Stepped);
        assert_eq!((travel.position(), travel.machine().cpu.rip), (before, rip));
    }
}

#[test]
fn the_past_is_what_a_straight_run_has_at_the_snapshots() {
    for name in TRACES {
        let travel = travel(name);
        let mut runner = straight(name);
        let _hold = travel.history.hold().expect("the index is there");
        let moments: Vec<Moment> = (0..travel.history.snapshots()).map(|n| travel.history.moment(n)).collect();
        assert_eq!(moments.last(), Some(&travel.end()), "{name}: the last snapshot is the end");
        for &at in moments.iter().step_by(moments.len() / 4 + 1).chain(moments.last()) {
            runner.run(at).expect("it replays");
            let past = travel.past(at).expect("the index is there");
            assert_eq!(*past.state(), runner.machine.save(), "{name} at {at}");
            let phys = &runner.machine.cpu.phys;
            for index in 0..phys.page_count() {
                let gpa = phys.page_address(index);
                let expected = phys.page(gpa).map(|page| phys.page_bytes(page.index));
                assert_eq!(past.page(gpa).map(|page| page.as_slice()), expected, "{name} at {at}, page {gpa:#x}");
            }
            assert!(past.failure().is_none());
        }
    }
}
