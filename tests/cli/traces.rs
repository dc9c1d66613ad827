//! The recordings in `traces/` stay readable, replay bit-exactly in every geometry, and are what `info` said they were.

use crate::command::{Ran, info, reenact, verify};
use crate::guests::{TRACES, expected_console, trace, trace_file};
use std::process::Command;

/// Cache sizes that may change nothing but speed; `1,2` is single-stepping.
const GEOMETRIES: [&str; 5] = ["1,2", "3,16", "2,4", "7,1024", "48,65536"];

fn in_geometry(verb: &str, name: &str, geometry: &str) -> Ran {
    let mut command: Command = reenact();
    command.args([verb, "--geometry", geometry]).arg(trace(name));
    Ran::from_output(command.output().expect("the binary starts")).succeeded()
}

#[test]
fn info_says_what_it_said_when_the_trace_was_made() {
    for name in TRACES {
        let noted = std::fs::read_to_string(trace_file(&format!("{name}.json"))).expect("every trace has its JSON");
        let noted: serde_json::Value = serde_json::from_str(&noted).expect("it is JSON");
        assert_eq!(info(&trace(name)), noted, "{name}");
    }
}

#[test]
fn every_trace_verifies() {
    for name in TRACES {
        let said = verify(&trace(name)).text();
        let identity = info(&trace(name))["identity"].as_str().expect("it is closed").to_owned();
        assert!(said.contains(&identity), "{said}");
    }
}

#[test]
fn every_trace_shows_the_console_of_its_guest() {
    for name in TRACES {
        assert_eq!(
            Ran::from_output(reenact().arg("replay").arg(trace(name)).output().expect("the binary starts"))
                .succeeded()
                .text(),
            expected_console(name)
        );
    }
}

#[test]
fn no_cache_size_changes_a_replay() {
    for name in TRACES {
        for geometry in GEOMETRIES {
            in_geometry("verify", name, geometry);
        }
        assert_eq!(in_geometry("replay", name, "1,2").text(), expected_console(name));
        assert_eq!(in_geometry("replay", name, "3,16").text(), expected_console(name));
    }
}

#[test]
fn replay_to_a_moment_shows_the_console_up_to_it() {
    let whole = expected_console("heap_overflow");
    for to in ["0", "10%", "50%", "1000000", "99%", "end", "999999999999"] {
        let ran = Ran::from_output(
            reenact().args(["replay", "--to", to]).arg(trace("heap_overflow")).output().expect("the binary starts"),
        )
        .succeeded();
        assert!(whole.starts_with(&ran.text()), "{to}: {}", ran.text());
        assert_eq!(ran.text() == whole, to == "end" || to == "999999999999", "{to}: {}", ran.text());
    }
}

#[test]
fn every_trace_is_small() {
    for name in TRACES {
        let bytes = std::fs::metadata(trace(name)).expect("it is there").len();
        assert!(bytes < 64 << 10, "{name} has {bytes} bytes");
    }
}
