//! Any bytes as a debugger: the server must neither panic nor hang, and serve the next one.
//!
//! A first byte that is odd has what follows cut at newlines and put into packets with sound checksums.
#![no_main]

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reenact::gdb::client::serve;
use reenact::gdb::wire::packet;
use reenact::gdb::{Farewell, Settings};
use reenact::session::{Options, Session};

fn session() -> &'static Session {
    static SESSION: OnceLock<Session> = OnceLock::new();
    SESSION.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/timers.reen");
        let options = Options { keeps_index: false, ..Options::default() };
        Session::open(&path, options).expect("the trace opens")
    })
}

fuzz_target!(|bytes: Vec<u8>| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let stream = match first % 2 {
        0 => rest.to_vec(),
        _ => rest.split(|&b| b == b'\n').flat_map(packet).collect(),
    };
    let farewell = serve(session(), &mut Settings::default(), Cursor::new(stream), &mut Vec::new());
    assert_ne!(farewell, Farewell::SessionEnded);
});
