//! Time travel in the recording of a whole Debian boot: every place is what a straight replay gives there.

use crate::command::{Ran, reenact};
use crate::guests::debian;
use reenact::machine::Geometry;
use reenact::machine::digest::Hash;
use reenact::moment::Moment;
use reenact::recording::Reader;
use reenact::replay::player::Player;
use reenact::replay::travel::{Arrival, Cancel, Direction, Options, Position, Steps, Stops, Travel};
use std::path::Path;

fn open(recording: &Path) -> Travel {
    let reader = Reader::open(recording).expect("it was recorded just now");
    Travel::open(reader, Options::default()).expect("it can be replayed")
}

/// How many times as much is tried, from `REENACT_TRAVEL_EFFORT`, 1 to 5.
fn effort() -> usize {
    std::env::var("REENACT_TRAVEL_EFFORT").map_or(1, |n| n.parse().expect("REENACT_TRAVEL_EFFORT is 1 to 5"))
}

/// Numbers that look random and are the same each time.
fn numbers(count: usize, below: u64) -> Vec<u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 16) % below
    };
    (0..count).map(|_| next()).collect()
}

/// The Digests of a straight replay at ascending Moments.
fn straight(recording: &Path, moments: &[u64]) -> Vec<Hash> {
    let reader = Reader::open(recording).expect("it was recorded just now");
    let mut player = Player::new(&reader, Geometry::default(), false).expect("it can be replayed");
    let digest = |&m: &u64| {
        player.seek(Moment(m)).expect("it replays");
        player.machine.digest()
    };
    moments.iter().map(digest).collect()
}

#[test]
fn every_place_in_a_boot_is_what_a_straight_replay_gives() {
    let Some(guests) = debian("every_place_in_a_boot_is_what_a_straight_replay_gives") else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = dir.path().join("boot.reen");
    let mut command = reenact();
    command.arg("record").arg("-o").arg(&recording).arg("--kernel").arg(guests.join("vmlinuz-cloud"));
    command.arg("--initrd").arg(guests.join("batch.gz")).args(["--append", "console=ttyS0 panic=-1"]);
    Ran::from_output(command.output().expect("the binary starts")).succeeded();

    let mut travel = open(&recording);
    let mut places = numbers(200, travel.end().0);
    places.sort_unstable();
    let digests = straight(&recording, &places);
    // While the index is being made, then with it, then with the one that was kept.
    for round in 0..3 {
        let order = numbers(100 * effort(), places.len() as u64);
        for i in order.into_iter().map(|i| i as usize) {
            let here = Position::at(Moment(places[i]));
            travel.seek(here).expect("it can be reached");
            assert_eq!(travel.digest(), digests[i], "round {round} at {}", places[i]);
        }
        travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it");
        if round == 1 {
            drop(travel);
            travel = open(&recording);
            assert!(travel.index().is_complete(), "{:?}", travel.take_notes());
        }
    }
    for (i, number) in numbers(40 * effort(), 10_000).into_iter().enumerate() {
        // Small numbers of steps are as interesting as large ones.
        let (place, steps) = (i * 5 % places.len() + i / 40, number.pow(3) / 100_000_000);
        let here = Position::at(Moment(places[place]));
        travel.seek(here).expect("it can be reached");
        for direction in [Direction::Backward, Direction::Forward] {
            for _ in 0..steps {
                let arrival = travel.step(direction, Steps::Cpu, &Stops::default(), &Cancel::default());
                assert_eq!(arrival.expect("a step"), Arrival::Stepped);
            }
        }
        assert_eq!((travel.position(), travel.digest()), (here, digests[place]), "{steps} steps");
    }
}
