//! Tests of the server on the recordings of `traces/`, without gdb.

use crate::session::{Options, Session};
use std::path::Path;

/// A session on a recording of `traces/`.
pub fn session(name: &str) -> Session {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"));
    Session::open(&path, Options::default()).expect("the trace opens")
}
