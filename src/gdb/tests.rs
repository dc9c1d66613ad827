//! Tests of the server on the recordings of `traces/`, without gdb: random and hostile bytes.

use super::client::serve;
use super::wire::packet;
use super::{Farewell, Settings};
use crate::session::{Options, Session};
use std::path::Path;

/// A session on a recording of `traces/`.
pub fn session(name: &str) -> Session {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    Session::open(&path, Options { keeps_index: false, ..Options::default() }).expect("the trace opens")
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// What debuggers say, to be damaged.
const SEEDS: [&str; 24] = [
    "qSupported:multiprocess+;swbreak+",
    "QStartNoAckMode",
    "?",
    "g",
    "p10",
    "m100000,40",
    "M100000,1:00",
    "G00",
    "vCont?",
    "vCont;s:1",
    "vCont;r100000,100040:1",
    "bs",
    "s",
    "Z0,100047,1",
    "z0,100047,1",
    "Z2,104000,8",
    "Z4,0,ffff",
    "Hgp1.1",
    "Hc-1",
    "qXfer:features:read:target.xml:0,fff",
    "qXfer:threads:read::0,fff",
    "qRcmd,7768656e",
    "T1",
    "qC",
];

fn payload(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = SEEDS[dice.below(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.below(256) as u8),
            2 => bytes.splice(at..at, *b"ffffffffffffffff").for_each(drop),
            _ if at < bytes.len() => bytes[at] = b",;:+-#$}*\x03\0z"[dice.below(12)],
            _ => {}
        }
    }
    bytes
}

fn stream(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..30 {
        match dice.below(12) {
            0 => (0..dice.below(40)).for_each(|_| bytes.push(dice.below(256) as u8)),
            1 => bytes.push(3),
            2 => bytes.extend_from_slice(b"+-+"),
            3 => {
                let whole = packet(&payload(dice));
                bytes.extend_from_slice(&whole[..dice.below(whole.len())]);
            }
            _ => bytes.extend(packet(&payload(dice))),
        }
    }
    bytes
}

#[test]
fn random_bytes_neither_stop_nor_hang_nor_change_the_server() {
    let session = session("timers");
    let mut settings = Settings::default();
    let mut dice = Dice(20);
    for _ in 0..200 {
        let bytes = stream(&mut dice);
        let mut answers = Vec::new();
        let farewell = serve(&session, &mut settings, std::io::Cursor::new(bytes), &mut answers);
        assert_ne!(farewell, Farewell::SessionEnded);
    }
    let mut answers = Vec::new();
    let polite = [packet(b"?"), packet(b"D")].concat();
    assert_eq!(serve(&session, &mut settings, std::io::Cursor::new(polite), &mut answers), Farewell::Detached);
    assert_eq!(answers, [&b"+"[..], &packet(b"T05thread:01;"), b"+", &packet(b"OK")].concat());
}
