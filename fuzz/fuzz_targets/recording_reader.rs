//! Any bytes at all as a recording: the reader must neither panic nor allocate beyond its bounds.
//!
//! Checksums keep the fuzzer at the gate, so seed the corpus with real recordings; `recording_frames` gets behind it.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use reenact::recording::Reader;

fuzz_target!(|bytes: Vec<u8>| {
    let len = bytes.len() as u64;
    let Ok(reader) = Reader::from_source(Arc::new(bytes), Path::new("fuzz.reen")) else {
        return;
    };
    if let Ok(summary) = reader.summary() {
        assert!(summary.good_bytes <= len);
        assert!(summary.identity().is_none() || summary.good_bytes == len);
    }
    for image in reader.images() {
        let _ = reader.load_image(image.role);
    }
});
