//! Breakpoints and watchpoints in both directions, against the list of all hits that a run from the start gives.

use super::*;
use crate::cpu::probe::What;
use crate::cpu::state::gpr;

/// Places that the guest really executes and touches: addresses to put stops on.
struct Sites {
    code: Vec<u64>,
    data: Vec<u64>,
}

fn sites(travel: &mut Travel, random: &mut Random) -> Sites {
    let mut sites = Sites { code: Vec::new(), data: Vec::new() };
    for _ in 0..60 {
        let at = random.below(travel.end().0);
        travel.seek(Position::at(Moment(at))).expect("it can be reached");
        let cpu = &travel.machine().cpu;
        sites.code.push(cpu.rip);
        sites.data.extend([gpr::RSP, gpr::RBP, gpr::RDI, gpr::RSI, gpr::RBX].map(|r| cpu.regs[r]));
        sites.data.push(cpu.regs[gpr::RSP].wrapping_sub(8));
    }
    sites
}

fn stops(sites: &Sites, travel: &Travel, random: &mut Random) -> Stops {
    let mut stops = Stops::default();
    let pick = |list: &[u64], random: &mut Random| list[random.below(list.len() as u64) as usize];
    let place = |at: u64, random: &mut Random| match (random.below(4), travel.machine().cpu.translate_quietly(at)) {
        (0, Some(gpa)) => Place::Physical(gpa),
        (1, _) => Place::Linear(at, Space::Root(travel.machine().cpu.state.cr3 & !0xfff)),
        _ => Place::Linear(at, Space::Any),
    };
    for _ in 0..random.below(3) {
        let at = pick(&sites.code, random);
        stops.breakpoints.push(Breakpoint { place: place(at, random) });
    }
    for _ in 0..random.below(3) {
        let at = pick(&sites.data, random).wrapping_sub(random.below(4));
        let kind = [AccessKind::Read, AccessKind::Write, AccessKind::ReadWrite][random.below(3) as usize];
        let len = 1 + random.any_size(5000);
        stops.watches.push(Watch { place: place(at, random), len, kind, changes_only: random.below(2) == 0 });
    }
    stops
}

/// What a run from `here` must find, by the list of all hits.
fn expected(hits: &[Hit], here: Position, direction: Direction) -> Option<(Position, What)> {
    let at = |h: &Hit| Position::from(h.at);
    let is_own = |h: &Hit| matches!(h.what, What::Executed(_)) && at(h) == here;
    let hit = match direction {
        Direction::Forward => hits.iter().find(|h| at(h) >= here && !is_own(h)),
        Direction::Backward => hits.iter().rev().find(|h| at(h) < here),
    };
    hit.map(|h| (at(h), h.what))
}

#[test]
fn runs_find_what_a_scan_from_the_start_finds() {
    let cancel = Cancel::default();
    let mut cases = 0;
    let mut found = 0;
    for name in TRACES {
        let mut random = Random(name.len() as u64);
        let mut travel = travel(name);
        let sites = sites(&mut travel, &mut random);
        for _ in 0..25 {
            let stops = stops(&sites, &travel, &mut random);
            if stops.is_empty() {
                continue;
            }
            let hits = all_hits(name, &stops.wanted());
            for _ in 0..8 {
                let here = Position::at(Moment(random.below(travel.end().0 + 1)));
                let direction = [Direction::Forward, Direction::Backward][random.below(2) as usize];
                travel.seek(here).expect("it can be reached");
                let arrival = travel.run(direction, &stops, &cancel).expect("a run");
                cases += 1;
                let context = format!("{name} from {here:?} {direction:?} {stops:x?}");
                match expected(&hits, here, direction) {
                    Some((at, what)) => {
                        found += 1;
                        assert_eq!(arrival, super::super::search::arrival(&Hit { at: (0, 0), what }), "{context}");
                        let is_behind = direction == Direction::Forward && matches!(what, What::Access { .. });
                        if is_behind {
                            assert!(travel.position() > at, "{context}");
                            assert_eq!(travel.before(travel.position()).expect("a step"), Some(at), "{context}");
                        } else {
                            assert_eq!(travel.position(), at, "{context}");
                        }
                    }
                    None if direction == Direction::Forward => assert_eq!(arrival, Arrival::End, "{context}"),
                    None => assert_eq!(arrival, Arrival::Begin, "{context}"),
                }
            }
        }
    }
    assert!(cases >= 500 && found >= 200, "{cases} cases, {found} found something");
}

/// From the end back to the start, stop by stop, and forth again: the same stops, each once.
#[test]
fn going_back_meets_every_hit_once() {
    let mut travel = travel("timers");
    let mut handlers: Vec<Stops> = Vec::new();
    for hit in all_hits("timers", &Wanted { deliveries: true, ..Wanted::default() }).iter().step_by(50).take(6) {
        let Position { moment, deliveries } = hit.at.into();
        travel.seek(Position { moment, deliveries: deliveries + 1 }).expect("it can be reached");
        handlers.push(Stops::at_instruction(travel.machine().cpu.rip));
    }
    handlers.dedup();
    for stops in handlers {
        let hits = all_hits("timers", &stops.wanted());
        assert!(!hits.is_empty());
        travel.seek(Position::at(travel.end())).expect("it can be reached");
        for direction in [Direction::Backward, Direction::Forward] {
            let mut met = Vec::new();
            while let Arrival::Breakpoint(_) = travel.run(direction, &stops, &Cancel::default()).expect("a run") {
                met.push(travel.position());
            }
            let mut all: Vec<Position> = hits.iter().map(|h| h.at.into()).collect();
            all.dedup();
            if direction == Direction::Backward {
                all.reverse();
            }
            assert_eq!(met, all);
        }
    }
}
