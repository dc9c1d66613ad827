//! Peers that are no gdb: garbage, half packets, vanishing in the middle, two at once. The server goes on.

use crate::server::{Server, trace};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use tempfile::TempDir;

fn packet(payload: &str) -> Vec<u8> {
    let sum = payload.bytes().fold(0u8, |sum, b| sum.wrapping_add(b));
    format!("${payload}#{sum:02x}").into_bytes()
}

/// Sends a packet and returns the payload of the reply, acknowledgements left out.
fn ask(stream: &mut TcpStream, payload: &str) -> String {
    stream.write_all(&packet(payload)).expect("the server reads");
    reply(stream)
}

fn reply(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        assert_eq!(stream.read(&mut byte).expect("the server answers"), 1, "hung up after {text:?}");
        if text.is_empty() && byte[0] != b'$' {
            continue;
        }
        text.push(byte[0]);
        if text.len() > 3 && text[text.len() - 3] == b'#' {
            return String::from_utf8_lossy(&text[1..text.len() - 3]).into_owned();
        }
    }
}

/// Asserts that a client that behaves is served.
#[track_caller]
fn is_served(server: &mut Server) {
    assert!(server.is_alive());
    // The one before may still be on its way out.
    for _ in 0..100 {
        let mut stream = server.connect();
        if ask(&mut stream, "qSupported:swbreak+").starts_with("PacketSize=") {
            assert!(ask(&mut stream, "?").starts_with("T05"));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nobody is served any more");
}

fn start(arguments: &[&str]) -> (TempDir, Server) {
    let dir = tempfile::tempdir().expect("there is room");
    let recording: PathBuf = dir.path().join("h.reen");
    std::fs::copy(trace("heap_overflow"), &recording).expect("there is room");
    let server = Server::start(&recording, arguments);
    (dir, server)
}

#[test]
fn features_registers_and_threads_are_what_gdb_expects() {
    let (_dir, server) = start(&[]);
    let mut gdb = server.connect();
    let features = ask(&mut gdb, "qSupported:multiprocess+;swbreak+;hwbreak+");
    for feature in ["ReverseStep+", "ReverseContinue+", "swbreak+", "hwbreak+", "vContSupported+", "QStartNoAckMode+"] {
        assert!(features.contains(feature), "{features}");
    }
    assert_eq!(ask(&mut gdb, "QStartNoAckMode"), "OK");
    assert!(ask(&mut gdb, "qXfer:features:read:target.xml:0,fff").starts_with("m<?xml"));
    let threads = ask(&mut gdb, "qXfer:threads:read::0,fff");
    assert!(threads.starts_with("l<?xml") && threads.contains("id=\"p1.1\" core=\"0\""), "{threads}");
    assert_eq!(ask(&mut gdb, "qXfer:threads:read::fff,fff"), "l");
    assert!(ask(&mut gdb, "vMustReplyEmpty").is_empty());
    assert!(ask(&mut gdb, "G00").starts_with("E.a recording cannot be changed"));
    assert!(ask(&mut gdb, "X100000,0:").starts_with("E.a recording cannot be changed"));
    assert_eq!(ask(&mut gdb, "m100000,4"), "02b0ad1b");
    assert!(ask(&mut gdb, "m7ffffffffff,4").starts_with('E'));
    // Protected mode without paging: RAM ends at 8 MiB.
    assert_eq!(ask(&mut gdb, "m7ffffe,10").len(), 4);
    assert!(ask(&mut gdb, "m0,ffffffffffffffff").len() < 0x4000);
}

#[test]
fn the_reply_to_a_reverse_step_at_power_on_is_the_end_of_history() {
    let (_dir, server) = start(&[]);
    let mut gdb = server.connect();
    assert_eq!(ask(&mut gdb, "bs"), "T05replaylog:begin;");
    assert_eq!(ask(&mut gdb, "bc"), "T05replaylog:begin;");
    assert_eq!(ask(&mut gdb, "vCont;c"), "T05replaylog:end;");
    assert_eq!(ask(&mut gdb, "Z0,100047,1"), "OK");
    assert_eq!(ask(&mut gdb, "bc"), "T05thread:01;swbreak:;");
    assert_eq!(ask(&mut gdb, "z0,100047,1"), "OK");
    assert_eq!(ask(&mut gdb, "Z1,100047,1"), "OK");
    assert_eq!(ask(&mut gdb, "bc"), "T05thread:01;hwbreak:;");
}

#[test]
fn garbage_half_packets_and_bad_checksums_do_no_harm() {
    let (_dir, mut server) = start(&[]);
    for bytes in [
        &b"\x00\xff\xfe garbage + - \x03\x03 #00 $"[..],
        b"$qSupported",
        b"$g#00$g#zz$#00$vCont;x#00",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Both);
        drop(stream);
        is_served(&mut server);
    }
    // Damage inside a connection: asked for again, and then understood.
    let mut stream = server.connect();
    stream.write_all(b"$?#00").expect("the server reads");
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("the server answers");
    assert_eq!(&byte, b"-");
    assert!(ask(&mut stream, "?").starts_with("T05"));
    // A reply that did not arrive is sent again.
    stream.write_all(b"-").expect("the server reads");
    assert!(reply(&mut stream).starts_with("T05"));
}

#[test]
fn packets_that_make_no_sense_are_answered_or_hung_up_on() {
    let (_dir, mut server) = start(&[]);
    for payload in [
        "m",
        "m,",
        "mzz,4",
        "m100000,zz",
        "Z0,",
        "Z9,0,0",
        "Z0,ffffffffffffffffff,1",
        "Z2,ffffffffffffffff,8",
        "z0,0,0",
        "vCont",
        "vCont;",
        "vCont;r",
        "vCont;r1,zz",
        "vCont;s:zz",
        "Hgzz",
        "qRcmd,",
        "qRcmd,zz",
        "qRcmd,ff00ff",
        "qXfer:features:read:",
        "qXfer:threads:read::zz",
        "qXfer:auxv:read::0,10",
        "p",
        "pffffffff",
        "Tzz",
        "D;zz",
        "k",
        "vKill;1",
        "R00",
        "!",
        "QStartNoAckModeX",
        "X",
        "M",
        "P",
        "qSupported:",
        "qSupported:;;;=;+",
        "bs",
        "bc",
        "s",
        "c",
        "C05",
        "S05;0",
        "t",
        "i",
        "b",
        "v",
        "q",
        "Q",
        "_",
        "",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(&packet(payload));
        let _ = stream.write_all(&packet("?"));
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(server.is_alive(), "{payload:?} ended the server");
    }
    is_served(&mut server);
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_run_makes_room() {
    let (_dir, mut server) = start(&["--at", "end"]);
    for _ in 0..3 {
        let mut stream = server.connect();
        // Nothing ever writes there, and nothing can skip the search.
        stream.write_all(&packet("Z4,10b000,8")).expect("the server reads");
        stream.write_all(&packet("bc")).expect("the server reads");
        drop(stream);
        is_served(&mut server);
    }
}

#[test]
fn a_second_client_is_told_to_wait_and_the_first_goes_on() {
    let (_dir, mut server) = start(&[]);
    let mut first = server.connect();
    assert!(ask(&mut first, "?").starts_with("T05"));
    let mut second = server.connect();
    assert!(ask(&mut second, "qSupported").starts_with("E.another debugger is connected"));
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).expect("it is hung up on");
    assert!(ask(&mut first, "vCont;s:1").starts_with("T05"));
    assert_eq!(ask(&mut first, "D"), "OK");
    drop(first);
    is_served(&mut server);
}

#[test]
fn an_interrupt_that_follows_at_once_ends_the_search_and_nothing_has_moved() {
    let (_dir, server) = start(&["--at", "end"]);
    let mut gdb = server.connect();
    let before = ask(&mut gdb, "g");
    assert_eq!(ask(&mut gdb, "Z4,10b800,8"), "OK");
    let mut bytes = packet("bc");
    bytes.push(3);
    gdb.write_all(&bytes).expect("the server reads");
    assert_eq!(reply(&mut gdb), "T02thread:01;");
    assert_eq!(ask(&mut gdb, "g"), before);
    // With nothing running, Ctrl-C means nothing, and what is asked next is not cut short.
    gdb.write_all(&[3]).expect("the server reads");
    assert_eq!(ask(&mut gdb, "bc"), "T05replaylog:begin;");
}
