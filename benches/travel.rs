//! What a user of time travel waits for: the index, seeks, steps back, and going back to a write, on a recording that
//! `REENACT_BENCH_RECORDING` names.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the host's clock and environment")]

use reenact::moment::Moment;
use reenact::recording::Reader;
use reenact::replay::travel::{
    AccessKind, Arrival, Cancel, Direction, Options, Place, Position, Space, Steps, Stops, Travel, Watch,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn main() {
    let Some(path) = std::env::var_os("REENACT_BENCH_RECORDING") else {
        println!("travel: set REENACT_BENCH_RECORDING to a recording; nothing measured");
        return;
    };
    let reader = Reader::open(&path).expect("the recording opens");
    let cancel = Cancel::default();
    let started = Instant::now();
    let mut travel =
        Travel::open(reader, Options { keeps_index: false, ..Options::default() }).expect("it can be replayed");
    travel.finish_index(&cancel, &|_| {}).expect("it replays");
    println!("index of {} instructions: {:.2} s", travel.end(), started.elapsed().as_secs_f64());

    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut place = |end: Moment| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        Position::at(Moment((random >> 16) % end.0))
    };
    let end = travel.end();
    let mut seeks = Vec::new();
    let mut first_steps = Vec::new();
    let mut steps = Vec::new();
    let mut thread_steps = Vec::new();
    for _ in 0..60 {
        let to = place(end);
        seeks.push(time(|| travel.seek(to).expect("a seek")));
        let back = |travel: &mut Travel, kind| {
            time(|| {
                travel.step(Direction::Backward, kind, &Stops::default(), &cancel).expect("a step");
            })
        };
        first_steps.push(back(&mut travel, Steps::Cpu));
        for _ in 0..100 {
            steps.push(back(&mut travel, Steps::Cpu));
        }
        for _ in 0..20 {
            thread_steps.push(back(&mut travel, Steps::Thread));
        }
    }
    show("seek to a random Moment", seeks);
    show("first step back there", first_steps);
    show("steps back, one after the other", steps);
    show("steps back in a thread", thread_steps);

    let watch = |at: u64| {
        let watch =
            Watch { place: Place::Linear(at, Space::Any), len: 8, kind: AccessKind::Write, changes_only: false };
        Stops { watches: vec![watch], ..Stops::default() }
    };
    let mut backs = Vec::new();
    for _ in 0..20 {
        let to = place(end);
        travel.seek(to).expect("a seek");
        let at = travel.machine().cpu.regs[4];
        travel.seek(Position::at(end)).expect("a seek");
        let mut arrival = Arrival::Begin;
        let took = time(|| arrival = travel.run(Direction::Backward, &watch(at), &cancel).expect("a run"));
        backs.push(took);
        assert_ne!(arrival, Arrival::Cancelled);
    }
    show("from the end back to the last write of a stack slot", backs);
    worst(&mut travel, &watch);
}

/// The page that most slices write, and words in it that were written long ago: nothing can be skipped.
fn worst(travel: &mut Travel, watch: &dyn Fn(u64) -> Stops) {
    let mut writers = BTreeMap::new();
    let slices = travel.index().slices();
    for number in 0..slices {
        let slice = travel.index().slice(number).expect("it can be read");
        for page in &slice.sets.written {
            *writers.entry(*page).or_insert(0) += 1;
        }
    }
    let mut pages: Vec<_> = writers.into_iter().filter(|&((root, _), _)| root == 0).collect();
    pages.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    for ((_, page), count) in pages.into_iter().take(6) {
        for word in [0, 100, 300] {
            let (at, end) = (page * 4096 + word * 8, travel.end());
            travel.seek(Position::at(end)).expect("a seek");
            let mut arrival = Arrival::Begin;
            let took =
                time(|| arrival = travel.run(Direction::Backward, &watch(at), &Cancel::default()).expect("a run"));
            let back = (end.0 - travel.position().moment.0) as f64 / 1e9;
            let ms = took.as_secs_f64() * 1e3;
            println!(
                "back {back:.2} G to a write of {at:#x}, in a page that {count} of {slices} slices write: {ms:.0} ms"
            );
        }
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!("{what}: median {:.2} ms, 99 % {:.2} ms, most {:.2} ms, of {}", at(0.5), at(0.99), at(1.0), times.len());
}
